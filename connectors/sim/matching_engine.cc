#include "connectors/sim/matching_engine.h"

#include <set>

namespace holdfast {

MatchingEngine::MatchingEngine(uint32_t max_resting_orders, int window_bits) {
  HF_ASSERT(max_resting_orders > 0);
  HF_ASSERT(max_resting_orders < UINT32_MAX);
  HF_ASSERT(window_bits >= 6 && window_bits <= 24);
  const size_t size = size_t{1} << window_bits;
  window_.resize(size);
  occupied_.resize(size / 64);
  summary_.resize((occupied_.size() + 63) / 64);
  nodes_.resize(size_t{max_resting_orders} + 1);
  for (uint32_t index = max_resting_orders; index >= 1; --index) {
    nodes_[index] = Node{};
    nodes_[index].next = free_head_;
    free_head_ = index;
  }
}

MatchingEngine::Level& MatchingEngine::FarLevel(Side side, int64_t ticks) {
  return side == Side::kBuy ? far_bids_[ticks] : far_asks_[ticks];
}

const MatchingEngine::Level* MatchingEngine::FindLevel(Side side, int64_t ticks) const {
  if (InWindow(ticks)) return &window_[static_cast<size_t>(ticks - base_)];
  if (side == Side::kBuy) {
    const auto it = far_bids_.find(ticks);
    return it == far_bids_.end() ? nullptr : &it->second;
  }
  const auto it = far_asks_.find(ticks);
  return it == far_asks_.end() ? nullptr : &it->second;
}

bool MatchingEngine::Reduce(uint32_t handle, uint32_t tag, int64_t lots) {
  HF_ASSERT(handle < nodes_.size());
  Node& node = nodes_[handle];
  if (tag == 0 || node.tag != tag) return false;
  HF_ASSERT(lots > 0);
  HF_ASSERT(lots <= node.lots);
  ExistingLevel(SideOf(node.ticks), node.ticks).lots -= node.lots - lots;
  node.lots = lots;
  return true;
}

int64_t MatchingEngine::LotsAt(Side side, int64_t ticks) const {
  const bool can_exist = side == Side::kBuy ? ticks <= best_bid_ : ticks >= best_ask_;
  if (!can_exist) return 0;
  const Level* level = FindLevel(side, ticks);
  return level == nullptr ? 0 : level->lots;
}

bool MatchingEngine::CanFillAll(const EngineOrder& order, int64_t limit_ticks) const {
  int64_t missing = order.lots;
  const Side maker_side = Opposite(order.side);
  ForEachLevel(maker_side, [&](int64_t ticks, int64_t lots) {
    if (order.side == Side::kBuy ? ticks > limit_ticks : ticks < limit_ticks) return false;
    if (order.self_trade == SelfTradeMode::kNone) {
      missing -= lots;
      return missing > 0;
    }
    for (uint32_t i = FindLevel(maker_side, ticks)->head; i != 0 && missing > 0;
         i = nodes_[i].next) {
      if (nodes_[i].group != order.group) {
        missing -= nodes_[i].lots;
      } else if (order.self_trade != SelfTradeMode::kExpireMaker) {
        return false;  // self-trade prevention would end the taker here
      }
    }
    return missing > 0;
  });
  return missing <= 0;
}

void MatchingEngine::CountFarTouch() {
  // Only a touch outside the window is a reason to move it; a quiet far level is not.
  const bool is_touch_far = (best_bid_ != kNoBid && !InWindow(best_bid_)) ||
                            (best_ask_ != kNoAsk && !InWindow(best_ask_));
  if (!is_touch_far) return;
  const auto far_count = static_cast<int64_t>(far_bids_.size() + far_asks_.size());
  if (++far_touch_count_ >= kMinFarTouches + far_count) MoveWindow();
}

void MatchingEngine::MoveWindow() {
  far_touch_count_ = 0;
  const int64_t size = static_cast<int64_t>(window_.size());
  int64_t center = best_bid_ != kNoBid ? best_bid_ : best_ask_;
  if (best_bid_ != kNoBid && best_ask_ != kNoAsk && best_ask_ - best_bid_ < size) {
    center = best_bid_ + (best_ask_ - best_bid_) / 2;
  } else if (best_bid_ != kNoBid && best_ask_ != kNoAsk && InWindow(best_bid_)) {
    return;  // the touch is wider than the window: one side has to stay outside
  }
  // Everything out, then what belongs in, in. Levels keep their lists: only their heads move.
  for (int64_t i = OccupiedAbove(-1); i >= 0; i = OccupiedAbove(i)) {
    const int64_t ticks = base_ + i;
    Level& level = window_[static_cast<size_t>(i)];
    FarLevel(SideOf(ticks), ticks) = level;
    level = Level{};
    ClearOccupied(ticks);
  }
  base_ = center - size / 2;
  const auto move_in = [&](auto& far, auto it) {
    while (it != far.end() && InWindow(it->first)) {
      window_[static_cast<size_t>(it->first - base_)] = it->second;
      SetOccupied(it->first);
      it = far.erase(it);
    }
  };
  move_in(far_bids_, far_bids_.lower_bound(base_ + size - 1));  // ordered from high to low
  move_in(far_asks_, far_asks_.lower_bound(base_));
}

void MatchingEngine::CheckInvariants() const {
  uint32_t count = 0;
  int64_t previous_ticks = 0;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    bool is_first = true;
    ForEachLevel(side, [&](int64_t ticks, int64_t lots) {
      if (!is_first) {
        HF_ASSERT(side == Side::kBuy ? ticks < previous_ticks : ticks > previous_ticks);
      }
      is_first = false;
      previous_ticks = ticks;
      const Level* level = FindLevel(side, ticks);
      HF_ASSERT(level->head != 0);
      int64_t sum = 0;
      uint32_t previous = 0;
      for (uint32_t i = level->head; i != 0; i = nodes_[i].next) {
        HF_ASSERT(nodes_[i].tag != 0);
        HF_ASSERT(nodes_[i].ticks == ticks);
        HF_ASSERT(nodes_[i].previous == previous);
        HF_ASSERT(nodes_[i].lots > 0);
        sum += nodes_[i].lots;
        previous = i;
        ++count;
      }
      HF_ASSERT(previous == level->tail);
      HF_ASSERT(sum == lots);
      return true;
    });
  }
  HF_ASSERT(count == resting_count_);
  if (best_bid_ != kNoBid && best_ask_ != kNoAsk) HF_ASSERT(best_bid_ < best_ask_);
}

}  // namespace holdfast
