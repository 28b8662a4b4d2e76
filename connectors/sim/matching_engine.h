#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "connectors/sim/sim_types.h"
#include "engine/base/assert.h"
#include "engine/market/side.h"

namespace holdfast {

// How a new order treats what it cannot fill at once.
enum class EngineOrderKind : uint8_t {
  kLimit,              // the rest rests
  kPostOnly,           // refused when it would match
  kImmediateOrCancel,  // the rest is dropped
  kFillOrKill,         // all or nothing
  kMarket,             // no price limit; the rest is dropped
};

struct EngineOrder {
  uint32_t tag = 0;    // the caller's own number, never 0; comes back in trades
  uint16_t owner = 0;  // comes back in trades
  uint16_t group = 0;  // equal groups are one trader for self-trade prevention
  Side side = Side::kBuy;
  EngineOrderKind kind = EngineOrderKind::kLimit;
  SelfTradeMode self_trade = SelfTradeMode::kNone;
  int64_t price_ticks = 0;  // ignored for kMarket
  int64_t lots = 0;
};

struct EngineTrade {
  uint32_t maker_tag;
  uint32_t taker_tag;
  uint16_t maker_owner;
  uint16_t taker_owner;
  Side taker_side;
  int64_t price_ticks;  // the maker's
  int64_t lots;
  int64_t maker_lots_left;  // 0: the maker has left the book
};

// Self-trade prevention took quantity out of the book.
struct EnginePrevention {
  uint32_t maker_tag;
  uint16_t maker_owner;
  Side maker_side;
  int64_t price_ticks;
  int64_t lots;  // taken from the maker
  int64_t maker_lots_left;
};

enum class EngineOutcome : uint8_t {
  kRests,      // `lots_left` are in the book under `handle`
  kFilled,     // nothing left
  kDropped,    // `lots_left` were not filled and do not rest
  kWouldTake,  // post-only refused, nothing happened
  kPrevented,  // ended by self-trade prevention with `lots_left` unfilled
  kFull,       // no room for another resting order; nothing rests, trades have happened
};

struct EngineResult {
  EngineOutcome outcome = EngineOutcome::kFilled;
  uint32_t handle = 0;  // of the resting order, 0 = none
  int64_t lots_left = 0;
};

// Matches the orders of one instrument by price, then time.
//
// Structure: resting orders are nodes of a preallocated pool, linked into one first-in-first-out
// list per price level. Levels within a window of ticks are an array with a bitmap of the occupied
// ones (one array serves both sides, which never share a price); levels outside the window live in
// an ordered map per side, so the price range is unbounded. The window moves after the touch has
// been outside it for a while, at a cost that is amortized over those accesses.
//
// Cost: place, cancel and reduce are O(1) inside the window. No allocation there after
// construction; far levels and moving the window may allocate.
//
// A handle is a place in the pool and is used again after the order left. Cancel() and Reduce()
// take the order's tag too and do nothing when the place belongs to another order by now; so tags
// in use at the same time, or kept by the caller beyond an order's life, must be distinct.
//
// A listener has OnTrade(const EngineTrade&) and OnPrevented(const EnginePrevention&); both are
// called in the middle of a change and must not touch the engine.
//
// Single-threaded.
class MatchingEngine {
 public:
  static constexpr int kDefaultWindowBits = 15;
  // Prices are well inside, so that sentinels and differences never overflow.
  static constexpr int64_t kMaxTicks = int64_t{1} << 60;

  explicit MatchingEngine(uint32_t max_resting_orders, int window_bits = kDefaultWindowBits);

  // REQUIRES: order.tag != 0, order.lots > 0, |price| <= kMaxTicks.
  template <typename Listener>
  EngineResult Place(const EngineOrder& order, Listener& listener);

  // Returns the quantity that was open, 0 when this order does not rest (any more).
  int64_t Cancel(uint32_t handle, uint32_t tag);
  // Lowers the open quantity to `lots` and keeps the place in the queue; false when the order does
  // not rest. REQUIRES: 0 < lots <= open quantity.
  bool Reduce(uint32_t handle, uint32_t tag, int64_t lots);

  std::optional<int64_t> best_bid() const {
    return best_bid_ == kNoBid ? std::nullopt : std::optional(best_bid_);
  }
  std::optional<int64_t> best_ask() const {
    return best_ask_ == kNoAsk ? std::nullopt : std::optional(best_ask_);
  }
  // Sum of the open quantities of a side at a price.
  int64_t LotsAt(Side side, int64_t ticks) const;
  // Calls visit(ticks, lots) for the levels of a side, best first, until it returns false.
  template <typename Visit>
  void ForEachLevel(Side side, Visit&& visit) const;
  // Calls visit(ticks, lots, group) for the resting orders of a side in matching order until it
  // returns false.
  template <typename Visit>
  void ForEachResting(Side side, Visit&& visit) const;
  uint32_t resting_count() const { return resting_count_; }
  bool is_full() const { return free_head_ == 0; }
  // Whether this price would match at once.
  bool WouldTake(Side side, int64_t ticks) const {
    // Both sides are computed: which side an order is on cannot be predicted, so it must not be a
    // branch. The same goes for the ends of queues below.
    const bool is_buy = side == Side::kBuy;
    return (is_buy & (ticks >= best_ask_)) | (!is_buy & (ticks <= best_bid_));
  }
  // Walks everything; for tests.
  void CheckInvariants() const;

 private:
  static constexpr int64_t kNoBid = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kNoAsk = std::numeric_limits<int64_t>::max();
  // Far accesses while the touch is outside the window, before the window moves.
  static constexpr int64_t kMinFarTouches = 256;

  // 32 bytes: two to a cache line. The side is not stored: bids are at or below the best bid.
  struct Node {
    int64_t lots;
    int64_t ticks;
    uint32_t next;  // towards the back of the queue; next free node when unused
    uint32_t previous;
    uint32_t tag;  // 0 = unused
    uint16_t owner;
    uint16_t group;
  };
  static_assert(sizeof(Node) == 32);
  struct Level {
    uint32_t head = 0;  // 0 = empty
    uint32_t tail = 0;
    int64_t lots = 0;
  };

  bool InWindow(int64_t ticks) const {
    return static_cast<uint64_t>(ticks - base_) < static_cast<uint64_t>(window_.size());
  }
  Side SideOf(int64_t ticks) const { return ticks <= best_bid_ ? Side::kBuy : Side::kSell; }

  Level& LevelForPlacing(Side side, int64_t ticks) {
    if (InWindow(ticks)) [[likely]]
      return window_[static_cast<size_t>(ticks - base_)];
    return FarLevel(side, ticks);
  }
  Level& ExistingLevel(Side side, int64_t ticks) {
    if (InWindow(ticks)) [[likely]]
      return window_[static_cast<size_t>(ticks - base_)];
    return FarLevel(side, ticks);
  }
  Level& FarLevel(Side side, int64_t ticks);
  const Level* FindLevel(Side side, int64_t ticks) const;

  void SetOccupied(int64_t ticks) {
    const auto index = static_cast<size_t>(ticks - base_);
    occupied_[index >> 6] |= uint64_t{1} << (index & 63);
    summary_[index >> 12] |= uint64_t{1} << ((index >> 6) & 63);
  }
  void ClearOccupied(int64_t ticks) {
    const auto index = static_cast<size_t>(ticks - base_);
    if ((occupied_[index >> 6] &= ~(uint64_t{1} << (index & 63))) == 0) {
      summary_[index >> 12] &= ~(uint64_t{1} << ((index >> 6) & 63));
    }
  }
  // Nearest occupied level of the window strictly below / above; -1 when none.
  int64_t OccupiedBelow(int64_t index) const;
  int64_t OccupiedAbove(int64_t index) const;
  // Best level of a side strictly worse than `ticks`.
  int64_t BidBelow(int64_t ticks) const;
  int64_t AskAbove(int64_t ticks) const;

  uint32_t Rest(const EngineOrder& order, int64_t lots);
  // The level has lost its last order.
  void RemoveEmptyLevel(Side side, int64_t ticks);
  void Free(uint32_t index) {
    Node& node = nodes_[index];
    node.tag = 0;
    node.next = free_head_;
    free_head_ = index;
    --resting_count_;
  }
  void Unlink(Level& level, uint32_t index);
  bool CanFillAll(const EngineOrder& order, int64_t limit_ticks) const;
  // Takes one maker on; returns false when the taker must stop.
  template <typename Listener>
  bool PreventSelfTrade(const EngineOrder& taker, Level& level, uint32_t index, int64_t& lots_left,
                        Listener& listener);
  template <typename Listener>
  bool MatchLevel(const EngineOrder& taker, Level& level, int64_t ticks, int64_t& lots_left,
                  Listener& listener);
  void CountFarTouch();
  void MoveWindow();

  std::vector<Node> nodes_;  // [0] is nobody: what lies before a head and behind a tail
  std::vector<Level> window_;
  std::vector<uint64_t> occupied_;
  std::vector<uint64_t> summary_;
  int64_t base_ = 0;  // price of window_[0]
  int64_t best_bid_ = kNoBid;
  int64_t best_ask_ = kNoAsk;
  uint32_t free_head_ = 0;
  uint32_t resting_count_ = 0;
  int64_t far_touch_count_ = 0;
  bool has_base_ = false;
  std::map<int64_t, Level, std::greater<>> far_bids_;
  std::map<int64_t, Level> far_asks_;
};

// --- hot path -----------------------------------------------------------------------------------

template <typename Listener>
inline EngineResult MatchingEngine::Place(const EngineOrder& order, Listener& listener) {
  HF_ASSERT(order.tag != 0);
  HF_ASSERT(order.lots > 0);
  HF_ASSERT(order.price_ticks <= kMaxTicks && order.price_ticks >= -kMaxTicks);
  const bool is_buy = order.side == Side::kBuy;
  const bool is_market = order.kind == EngineOrderKind::kMarket;
  const int64_t limit = is_market ? (is_buy ? kMaxTicks : -kMaxTicks) : order.price_ticks;
  int64_t lots_left = order.lots;

  if (WouldTake(order.side, limit)) {
    if (order.kind == EngineOrderKind::kPostOnly) return {EngineOutcome::kWouldTake, 0, lots_left};
    if (order.kind == EngineOrderKind::kFillOrKill && !CanFillAll(order, limit)) {
      return {EngineOutcome::kDropped, 0, lots_left};
    }
    do {
      const int64_t ticks = is_buy ? best_ask_ : best_bid_;
      Level& level = ExistingLevel(Opposite(order.side), ticks);
      const bool goes_on = MatchLevel(order, level, ticks, lots_left, listener);
      if (level.head == 0) RemoveEmptyLevel(Opposite(order.side), ticks);
      if (!goes_on) return {EngineOutcome::kPrevented, 0, lots_left};
      if (lots_left == 0) return {EngineOutcome::kFilled, 0, 0};
    } while (WouldTake(order.side, limit));
  }
  if (order.kind != EngineOrderKind::kLimit && order.kind != EngineOrderKind::kPostOnly) {
    return {EngineOutcome::kDropped, 0, lots_left};
  }
  const uint32_t handle = Rest(order, lots_left);
  return {handle == 0 ? EngineOutcome::kFull : EngineOutcome::kRests, handle, lots_left};
}

template <typename Listener>
inline bool MatchingEngine::MatchLevel(const EngineOrder& taker, Level& level, int64_t ticks,
                                       int64_t& lots_left, Listener& listener) {
  while (level.head != 0 && lots_left > 0) {
    const uint32_t index = level.head;
    Node& maker = nodes_[index];
    if (taker.self_trade != SelfTradeMode::kNone && maker.group == taker.group) {
      if (!PreventSelfTrade(taker, level, index, lots_left, listener)) return false;
      continue;
    }
    const int64_t lots = std::min(lots_left, maker.lots);
    lots_left -= lots;
    maker.lots -= lots;
    level.lots -= lots;
    listener.OnTrade(EngineTrade{.maker_tag = maker.tag,
                                 .taker_tag = taker.tag,
                                 .maker_owner = maker.owner,
                                 .taker_owner = taker.owner,
                                 .taker_side = taker.side,
                                 .price_ticks = ticks,
                                 .lots = lots,
                                 .maker_lots_left = maker.lots});
    if (maker.lots == 0) {
      level.head = maker.next;
      nodes_[level.head].previous = 0;
      level.tail = level.head == 0 ? 0 : level.tail;
      Free(index);
    }
  }
  return true;
}

template <typename Listener>
inline bool MatchingEngine::PreventSelfTrade(const EngineOrder& taker, Level& level, uint32_t index,
                                             int64_t& lots_left, Listener& listener) {
  Node& maker = nodes_[index];
  if (taker.self_trade == SelfTradeMode::kExpireTaker) return false;
  const bool is_decrement = taker.self_trade == SelfTradeMode::kDecrement;
  const int64_t lots = is_decrement ? std::min(lots_left, maker.lots) : maker.lots;
  maker.lots -= lots;
  level.lots -= lots;
  if (is_decrement) lots_left -= lots;
  listener.OnPrevented(EnginePrevention{.maker_tag = maker.tag,
                                        .maker_owner = maker.owner,
                                        .maker_side = Opposite(taker.side),
                                        .price_ticks = maker.ticks,
                                        .lots = lots,
                                        .maker_lots_left = maker.lots});
  if (maker.lots == 0) {
    Unlink(level, index);
    Free(index);
  }
  if (is_decrement) return lots_left > 0;
  return taker.self_trade == SelfTradeMode::kExpireMaker;
}

inline uint32_t MatchingEngine::Rest(const EngineOrder& order, int64_t lots) {
  if (free_head_ == 0) [[unlikely]]
    return 0;
  if (!has_base_) [[unlikely]] {
    base_ = order.price_ticks - static_cast<int64_t>(window_.size() / 2);
    has_base_ = true;
  }
  const int64_t ticks = order.price_ticks;
  Level& level = LevelForPlacing(order.side, ticks);
  const uint32_t index = free_head_;
  Node& node = nodes_[index];
  free_head_ = node.next;
  ++resting_count_;
  node = Node{.lots = lots,
              .ticks = ticks,
              .next = 0,
              .previous = level.tail,
              .tag = order.tag,
              .owner = order.owner,
              .group = order.group};
  nodes_[level.tail].next = index;
  level.head = level.head == 0 ? index : level.head;
  level.tail = index;
  level.lots += lots;
  const bool is_buy = order.side == Side::kBuy;
  best_bid_ = is_buy ? std::max(best_bid_, ticks) : best_bid_;
  best_ask_ = is_buy ? best_ask_ : std::min(best_ask_, ticks);
  if (InWindow(ticks)) [[likely]] {
    SetOccupied(ticks);
  } else {
    CountFarTouch();
  }
  return index;
}

inline void MatchingEngine::Unlink(Level& level, uint32_t index) {
  const Node& node = nodes_[index];
  nodes_[node.previous].next = node.next;
  nodes_[node.next].previous = node.previous;
  level.head = level.head == index ? node.next : level.head;
  level.tail = level.tail == index ? node.previous : level.tail;
}

inline int64_t MatchingEngine::Cancel(uint32_t handle, uint32_t tag) {
  HF_ASSERT(handle < nodes_.size());
  const Node& node = nodes_[handle];
  if (tag == 0 || node.tag != tag) return 0;
  const int64_t lots = node.lots;
  const int64_t ticks = node.ticks;
  const Side side = SideOf(ticks);
  Level& level = ExistingLevel(side, ticks);
  level.lots -= lots;
  Unlink(level, handle);
  Free(handle);
  if (level.head == 0) RemoveEmptyLevel(side, ticks);
  return lots;
}

inline void MatchingEngine::RemoveEmptyLevel(Side side, int64_t ticks) {
  if (InWindow(ticks)) [[likely]] {
    ClearOccupied(ticks);
  } else if (side == Side::kBuy) {
    far_bids_.erase(ticks);
  } else {
    far_asks_.erase(ticks);
  }
  if (ticks == best_bid_) {
    best_bid_ = BidBelow(ticks);
    if (best_bid_ != kNoBid && !InWindow(best_bid_)) [[unlikely]]
      CountFarTouch();
  } else if (ticks == best_ask_) {
    best_ask_ = AskAbove(ticks);
    if (best_ask_ != kNoAsk && !InWindow(best_ask_)) [[unlikely]]
      CountFarTouch();
  }
}

inline int64_t MatchingEngine::OccupiedBelow(int64_t index) const {
  if (index <= 0) return -1;
  const auto last = static_cast<size_t>(index - 1);
  size_t word = last >> 6;
  const uint64_t bits = occupied_[word] & (~uint64_t{0} >> (63 - (last & 63)));
  if (bits != 0) return static_cast<int64_t>((word << 6) + 63 - std::countl_zero(bits));
  size_t group = word >> 6;
  uint64_t words = summary_[group] & ((uint64_t{1} << (word & 63)) - 1);
  while (words == 0) {
    if (group == 0) return -1;
    words = summary_[--group];
  }
  word = (group << 6) + 63 - static_cast<size_t>(std::countl_zero(words));
  return static_cast<int64_t>((word << 6) + 63 - std::countl_zero(occupied_[word]));
}

inline int64_t MatchingEngine::OccupiedAbove(int64_t index) const {
  const int64_t size = static_cast<int64_t>(window_.size());
  if (index >= size - 1) return -1;
  const auto first = static_cast<size_t>(index + 1);
  size_t word = first >> 6;
  const uint64_t bits = occupied_[word] & (~uint64_t{0} << (first & 63));
  if (bits != 0) return static_cast<int64_t>((word << 6) + std::countr_zero(bits));
  size_t group = word >> 6;
  uint64_t words = (word & 63) == 63 ? 0 : summary_[group] & (~uint64_t{0} << ((word & 63) + 1));
  while (words == 0) {
    if (++group == summary_.size()) return -1;
    words = summary_[group];
  }
  word = (group << 6) + static_cast<size_t>(std::countr_zero(words));
  return static_cast<int64_t>((word << 6) + std::countr_zero(occupied_[word]));
}

inline int64_t MatchingEngine::BidBelow(int64_t ticks) const {
  const int64_t size = static_cast<int64_t>(window_.size());
  const int64_t found = OccupiedBelow(std::clamp<int64_t>(ticks - base_, 0, size));
  int64_t best = found < 0 ? kNoBid : base_ + found;
  if (!far_bids_.empty()) [[unlikely]]
    best = std::max(best, far_bids_.begin()->first);
  return best;
}

inline int64_t MatchingEngine::AskAbove(int64_t ticks) const {
  const int64_t size = static_cast<int64_t>(window_.size());
  const int64_t found = OccupiedAbove(std::clamp<int64_t>(ticks - base_, -1, size - 1));
  int64_t best = found < 0 ? kNoAsk : base_ + found;
  if (!far_asks_.empty()) [[unlikely]]
    best = std::min(best, far_asks_.begin()->first);
  return best;
}

template <typename Visit>
void MatchingEngine::ForEachLevel(Side side, Visit&& visit) const {
  const bool is_bid = side == Side::kBuy;
  const int64_t size = static_cast<int64_t>(window_.size());
  int64_t ticks = is_bid ? best_bid_ : best_ask_;
  auto far_bid = far_bids_.begin();
  auto far_ask = far_asks_.begin();
  while (ticks != (is_bid ? kNoBid : kNoAsk)) {
    if (!visit(ticks, FindLevel(side, ticks)->lots)) return;
    if (is_bid) {
      while (far_bid != far_bids_.end() && far_bid->first >= ticks) ++far_bid;
      const int64_t found = OccupiedBelow(std::clamp<int64_t>(ticks - base_, 0, size));
      ticks = found < 0 ? kNoBid : base_ + found;
      if (far_bid != far_bids_.end()) ticks = std::max(ticks, far_bid->first);
    } else {
      while (far_ask != far_asks_.end() && far_ask->first <= ticks) ++far_ask;
      const int64_t found = OccupiedAbove(std::clamp<int64_t>(ticks - base_, -1, size - 1));
      ticks = found < 0 ? kNoAsk : base_ + found;
      if (far_ask != far_asks_.end()) ticks = std::min(ticks, far_ask->first);
    }
  }
}

template <typename Visit>
void MatchingEngine::ForEachResting(Side side, Visit&& visit) const {
  ForEachLevel(side, [&](int64_t ticks, int64_t) {
    for (uint32_t i = FindLevel(side, ticks)->head; i != 0; i = nodes_[i].next) {
      if (!visit(ticks, nodes_[i].lots, nodes_[i].group)) return false;
    }
    return true;
  });
}

}  // namespace holdfast
