#include "connectors/sim/replay_book.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {

ReplayBook::ReplayBook(QueueModel queue_model, uint32_t max_orders)
    : queue_model_(queue_model), max_orders_(max_orders) {
  own_.emplace_back();
}

// --- recorded market ----------------------------------------------------------------------------

int64_t ReplayBook::Effective(Side side, Key key) const {
  const BookSide& book = At(side);
  if (top_update_id_ > last_update_id_) {
    const Key top = KeyOf(side, book.top.ticks);
    if (book.top.lots == 0 || key < top) return 0;
    if (key == top) return book.top.lots;
  }
  const auto it = book.base.find(key);
  return it == book.base.end() ? 0 : it->second;
}

// Brings one displayed level in line with the recording. `is_explicit`: a message was about this
// very level, which ends the memory of what we consumed there even when the size is the same.
void ReplayBook::Refresh(Side side, Key key, bool is_explicit, Observer& observer) {
  BookSide& book = At(side);
  const int64_t lots = Effective(side, key);
  const auto it = book.displayed.find(key);
  const int64_t old_lots = it == book.displayed.end() ? 0 : it->second.lots;
  const int64_t old_available = it == book.displayed.end() ? 0 : it->second.available();
  if (lots == old_lots && !(is_explicit && it != book.displayed.end())) return;
  Displayed& level = it == book.displayed.end() ? book.displayed[key] : it->second;
  level.lots = lots;
  level.consumed = 0;
  const auto own = book.own.find(key);
  if (own != book.own.end()) MoveUp(own->second, level, old_lots);
  level.traded = 0;
  const bool is_changed = level.available() != old_available;
  // With an order of ours there the level keeps what is known about late prints.
  if (lots == 0 && own == book.own.end()) book.displayed.erase(key);
  if (is_changed) observer.OnLevelChanged(side, TicksOf(side, key));
}

// The level's displayed size went from `old_lots` to `level.lots`.
void ReplayBook::MoveUp(OwnQueue& queue, Displayed& level, int64_t old_lots) {
  int64_t prepaid = 0;
  for (const uint32_t handle : queue) {
    Own& own = own_[handle];
    const int64_t before = own.ahead;
    const int64_t unexplained = old_lots - level.lots - level.traded;
    if (queue_model_ == QueueModel::kProportional && unexplained > 0 && old_lots > 0) {
      own.ahead -= static_cast<int64_t>(static_cast<__int128>(unexplained) *
                                        std::min(own.ahead, old_lots) / old_lots);
    }
    own.ahead = std::clamp<int64_t>(own.ahead, 0, level.lots);
    prepaid = std::max(prepaid, before - own.ahead);
  }
  if (prepaid > 0) {
    if (time_ns_ > level.prepaid_until_ns) level.prepaid = 0;
    level.prepaid += prepaid;
    level.prepaid_until_ns = time_ns_ + kLatePrintWindowNs;
  }
}

void ReplayBook::RefreshTo(Side side, Key worst, Observer& observer) {
  BookSide& book = At(side);
  std::vector<Key> keys;
  for (auto it = book.base.begin(); it != book.base.end() && it->first <= worst; ++it) {
    keys.push_back(it->first);
  }
  for (auto it = book.displayed.begin(); it != book.displayed.end() && it->first <= worst; ++it) {
    keys.push_back(it->first);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const Key key : keys) Refresh(side, key, /*is_explicit=*/false, observer);
}

void ReplayBook::LoadBase(const std::vector<RecordedLevel>& bids,
                          const std::vector<RecordedLevel>& asks, int64_t update_id,
                          int64_t time_ns, Observer& observer) {
  time_ns_ = time_ns;
  last_update_id_ = update_id;
  top_update_id_ = 0;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    BookSide& book = At(side);
    book.base.clear();
    for (const RecordedLevel& level : side == Side::kBuy ? bids : asks) {
      if (level.lots > 0) book.base[KeyOf(side, level.ticks)] = level.lots;
    }
    RefreshTo(side, INT64_MAX, observer);
  }
  FillCrossed(observer);
}

void ReplayBook::ApplyDepth(const std::vector<RecordedLevel>& bids,
                            const std::vector<RecordedLevel>& asks, int64_t update_id,
                            int64_t time_ns, Observer& observer) {
  time_ns_ = time_ns;
  const bool had_top = top_update_id_ > last_update_id_;
  last_update_id_ = std::max(last_update_id_, update_id);
  for (const Side side : {Side::kBuy, Side::kSell}) {
    BookSide& book = At(side);
    const std::vector<RecordedLevel>& changes = side == Side::kBuy ? bids : asks;
    for (const RecordedLevel& change : changes) {
      const Key key = KeyOf(side, change.ticks);
      if (change.lots > 0) {
        book.base[key] = change.lots;
      } else {
        book.base.erase(key);
      }
    }
    for (const RecordedLevel& change : changes) {
      Refresh(side, KeyOf(side, change.ticks), /*is_explicit=*/true, observer);
    }
    // Where the book-top message had the say before, the base has it again.
    const Key worst = book.top.lots == 0 ? INT64_MAX : KeyOf(side, book.top.ticks);
    if (had_top) RefreshTo(side, worst, observer);
  }
  FillCrossed(observer);
}

void ReplayBook::ApplyBookTop(const RecordedLevel& bid, const RecordedLevel& ask, int64_t update_id,
                              int64_t time_ns, Observer& observer) {
  time_ns_ = time_ns;
  if (update_id <= last_update_id_ || update_id <= top_update_id_) return;
  const bool had_top = top_update_id_ > last_update_id_;
  top_update_id_ = update_id;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    BookSide& book = At(side);
    const RecordedLevel before = book.top;
    book.top = side == Side::kBuy ? bid : ask;
    const Key key = KeyOf(side, book.top.ticks);
    Key worst = book.top.lots == 0 ? INT64_MAX : key;
    if (had_top) {
      worst = before.lots == 0 ? INT64_MAX : std::max(worst, KeyOf(side, before.ticks));
    }
    if (book.top.lots > 0) Refresh(side, key, /*is_explicit=*/false, observer);
    RefreshTo(side, worst, observer);
  }
  FillCrossed(observer);
}

void ReplayBook::FillOwn(uint32_t handle, int64_t lots, MatchListener& listener) {
  Own& own = own_[handle];
  own.lots -= lots;
  const EngineTrade trade{.maker_tag = own.tag,
                          .taker_tag = kMarketTag,
                          .maker_owner = own.owner,
                          .taker_owner = kMarketOwner,
                          .taker_side = Opposite(own.side),
                          .price_ticks = own.ticks,
                          .lots = lots,
                          .maker_lots_left = own.lots};
  if (own.lots == 0) Erase(handle);
  listener.OnTrade(trade);
}

int64_t ReplayBook::ApplyTrade(int64_t ticks, int64_t lots, Side aggressor, int64_t time_ns,
                               Observer& observer) {
  time_ns_ = time_ns;
  const Side side = Opposite(aggressor);
  BookSide& book = At(side);
  const Key key = KeyOf(side, ticks);
  int64_t left = lots;
  // Traded through: whoever sold at a worse price would have met our better one first.
  while (left > 0 && !book.own.empty() && book.own.begin()->first < key) {
    const uint32_t handle = book.own.begin()->second.front();
    const int64_t filled = std::min(left, own_[handle].lots);
    left -= filled;
    FillOwn(handle, filled, observer);
  }
  const auto displayed = book.displayed.find(key);
  if (displayed != book.displayed.end()) displayed->second.traded += lots;
  const auto own = book.own.find(key);
  if (own == book.own.end()) return left;

  // What a book message showed before this print must not move our orders a second time.
  int64_t passed = 0;
  if (displayed != book.displayed.end() && time_ns <= displayed->second.prepaid_until_ns) {
    passed = std::min(left, displayed->second.prepaid);
    displayed->second.prepaid -= passed;
  }
  int64_t usable = left - passed;
  int64_t behind = 0;  // displayed quantity that this print has worked through
  const OwnQueue queue = own->second;
  for (const uint32_t handle : queue) {
    const int64_t step =
        std::min(usable, own_[handle].ahead - std::min(behind, own_[handle].ahead));
    behind += step;
    usable -= step;
    if (usable == 0) break;
    const int64_t filled = std::min(usable, own_[handle].lots);
    usable -= filled;
    left -= filled;
    FillOwn(handle, filled, observer);
  }
  behind += usable;
  for (const uint32_t handle : queue) {
    if (own_[handle].tag != 0) own_[handle].ahead -= std::min(behind, own_[handle].ahead);
  }
  return left;
}

void ReplayBook::FillCrossed(Observer& observer) {
  FillCrossedSide(Side::kBuy, observer);
  FillCrossedSide(Side::kSell, observer);
}

// The recorded other side is displayed at or through one of our orders: its owner would have met
// us. What we take from it that way counts as consumed.
void ReplayBook::FillCrossedSide(Side side, Observer& observer) {
  BookSide& book = At(side);
  const Side other = Opposite(side);
  auto level = At(other).displayed.begin();
  while (level != At(other).displayed.end() && !book.own.empty()) {
    const int64_t own_ticks = TicksOf(side, book.own.begin()->first);
    const int64_t level_ticks = TicksOf(other, level->first);
    if (side == Side::kBuy ? level_ticks > own_ticks : level_ticks < own_ticks) return;
    const int64_t available = level->second.available();
    if (available == 0) {
      ++level;
      continue;
    }
    const uint32_t handle = book.own.begin()->second.front();
    const int64_t lots = std::min(available, own_[handle].lots);
    level->second.consumed += lots;
    observer.OnLevelChanged(other, level_ticks);
    FillOwn(handle, lots, observer);
  }
}

// --- orders -------------------------------------------------------------------------------------

EngineResult ReplayBook::Place(const EngineOrder& order, MatchListener& listener) {
  HF_ASSERT(order.tag != 0);
  HF_ASSERT(order.lots > 0);
  const bool is_buy = order.side == Side::kBuy;
  const Side other = Opposite(order.side);
  const bool is_market = order.kind == EngineOrderKind::kMarket;
  const int64_t limit = is_market
                            ? (is_buy ? MatchingEngine::kMaxTicks : -MatchingEngine::kMaxTicks)
                            : order.price_ticks;
  int64_t lots_left = order.lots;
  if (WouldTake(order.side, limit)) {
    if (order.kind == EngineOrderKind::kPostOnly) return {EngineOutcome::kWouldTake, 0, lots_left};
    if (order.kind == EngineOrderKind::kFillOrKill && !CanFillAll(order, limit)) {
      return {EngineOutcome::kDropped, 0, lots_left};
    }
    while (lots_left > 0 && WouldTake(order.side, limit)) {
      const Key key = KeyOf(other, *best(other));
      if (!TakeLevel(order, key, lots_left, listener)) {
        return {EngineOutcome::kPrevented, 0, lots_left};
      }
    }
    if (lots_left == 0) return {EngineOutcome::kFilled, 0, 0};
  }
  if (order.kind != EngineOrderKind::kLimit && order.kind != EngineOrderKind::kPostOnly) {
    return {EngineOutcome::kDropped, 0, lots_left};
  }
  if (is_full()) return {EngineOutcome::kFull, 0, lots_left};
  BookSide& book = At(order.side);
  const Key key = KeyOf(order.side, order.price_ticks);
  const auto displayed = book.displayed.find(key);
  uint32_t handle = static_cast<uint32_t>(own_.size());
  if (free_handles_.empty()) {
    own_.emplace_back();
  } else {
    handle = free_handles_.back();
    free_handles_.pop_back();
  }
  own_[handle] = {.lots = lots_left,
                  .ticks = order.price_ticks,
                  .ahead = displayed == book.displayed.end() ? 0 : displayed->second.available(),
                  .tag = order.tag,
                  .owner = order.owner,
                  .group = order.group,
                  .side = order.side};
  book.own[key].push_back(handle);
  ++resting_count_;
  return {EngineOutcome::kRests, handle, lots_left};
}

void ReplayBook::TakeDisplayed(const EngineOrder& taker, Key key, int64_t lots,
                               MatchListener& listener) {
  if (lots == 0) return;
  const Side side = Opposite(taker.side);
  BookSide& book = At(side);
  book.displayed.find(key)->second.consumed += lots;
  const auto own = book.own.find(key);
  if (own != book.own.end()) {
    for (const uint32_t handle : own->second) {
      own_[handle].ahead -= std::min(lots, own_[handle].ahead);
    }
  }
  listener.OnTrade({.maker_tag = kMarketTag,
                    .taker_tag = taker.tag,
                    .maker_owner = kMarketOwner,
                    .taker_owner = taker.owner,
                    .taker_side = taker.side,
                    .price_ticks = TicksOf(side, key),
                    .lots = lots,
                    .maker_lots_left = book.displayed.find(key)->second.available()});
}

// Takes from one level in queue order: displayed quantity ahead of our first order, that order, and
// so on, then the rest of the displayed quantity. False: self-trade prevention ends the taker.
bool ReplayBook::TakeLevel(const EngineOrder& taker, Key key, int64_t& lots_left,
                           MatchListener& listener) {
  const Side side = Opposite(taker.side);
  BookSide& book = At(side);
  const auto available = [&] {
    const auto it = book.displayed.find(key);
    return it == book.displayed.end() ? int64_t{0} : it->second.available();
  };
  while (lots_left > 0) {
    const auto own = book.own.find(key);
    if (own == book.own.end()) break;
    const uint32_t handle = own->second.front();
    const int64_t before = std::min({lots_left, own_[handle].ahead, available()});
    if (before > 0) {
      lots_left -= before;
      TakeDisplayed(taker, key, before, listener);
      continue;
    }
    if (taker.self_trade != SelfTradeMode::kNone && own_[handle].group == taker.group) {
      if (!PreventSelfTrade(taker, handle, lots_left, listener)) return false;
      continue;
    }
    const int64_t lots = std::min(lots_left, own_[handle].lots);
    lots_left -= lots;
    own_[handle].lots -= lots;
    const EngineTrade trade{.maker_tag = own_[handle].tag,
                            .taker_tag = taker.tag,
                            .maker_owner = own_[handle].owner,
                            .taker_owner = taker.owner,
                            .taker_side = taker.side,
                            .price_ticks = own_[handle].ticks,
                            .lots = lots,
                            .maker_lots_left = own_[handle].lots};
    if (own_[handle].lots == 0) Erase(handle);
    listener.OnTrade(trade);
  }
  const int64_t rest = std::min(lots_left, available());
  lots_left -= rest;
  TakeDisplayed(taker, key, rest, listener);
  return true;
}

bool ReplayBook::PreventSelfTrade(const EngineOrder& taker, uint32_t handle, int64_t& lots_left,
                                  MatchListener& listener) {
  if (taker.self_trade == SelfTradeMode::kExpireTaker) return false;
  Own& own = own_[handle];
  const bool is_decrement = taker.self_trade == SelfTradeMode::kDecrement;
  const int64_t lots = is_decrement ? std::min(lots_left, own.lots) : own.lots;
  own.lots -= lots;
  if (is_decrement) lots_left -= lots;
  const EnginePrevention prevention{.maker_tag = own.tag,
                                    .maker_owner = own.owner,
                                    .maker_side = own.side,
                                    .price_ticks = own.ticks,
                                    .lots = lots,
                                    .maker_lots_left = own.lots};
  if (own.lots == 0) Erase(handle);
  listener.OnPrevented(prevention);
  if (is_decrement) return lots_left > 0;
  return taker.self_trade == SelfTradeMode::kExpireMaker;
}

bool ReplayBook::CanFillAll(const EngineOrder& order, int64_t limit_ticks) const {
  int64_t missing = order.lots;
  ForEachResting(Opposite(order.side), [&](int64_t ticks, int64_t lots, uint16_t group) {
    if (order.side == Side::kBuy ? ticks > limit_ticks : ticks < limit_ticks) return false;
    if (order.self_trade != SelfTradeMode::kNone && group == order.group) {
      return order.self_trade == SelfTradeMode::kExpireMaker;
    }
    missing -= lots;
    return missing > 0;
  });
  return missing <= 0;
}

void ReplayBook::Erase(uint32_t handle) {
  Own& own = own_[handle];
  BookSide& book = At(own.side);
  const Key key = KeyOf(own.side, own.ticks);
  const auto queue = book.own.find(key);
  queue->second.erase(std::find(queue->second.begin(), queue->second.end(), handle));
  if (queue->second.empty()) {
    book.own.erase(queue);
    const auto displayed = book.displayed.find(key);
    if (displayed != book.displayed.end() && displayed->second.lots == 0) {
      book.displayed.erase(displayed);
    }
  }
  own.tag = 0;
  own.lots = 0;
  free_handles_.push_back(handle);
  --resting_count_;
}

int64_t ReplayBook::Cancel(uint32_t handle, uint32_t tag) {
  HF_ASSERT(handle < own_.size());
  if (tag == 0 || own_[handle].tag != tag) return 0;
  const int64_t lots = own_[handle].lots;
  Erase(handle);
  return lots;
}

bool ReplayBook::Reduce(uint32_t handle, uint32_t tag, int64_t lots) {
  HF_ASSERT(handle < own_.size());
  if (tag == 0 || own_[handle].tag != tag) return false;
  HF_ASSERT(lots > 0);
  HF_ASSERT(lots <= own_[handle].lots);
  own_[handle].lots = lots;
  return true;
}

// --- queries ------------------------------------------------------------------------------------

std::optional<int64_t> ReplayBook::best(Side side) const {
  const BookSide& book = At(side);
  std::optional<Key> key;
  for (const auto& [displayed_key, level] : book.displayed) {
    if (level.available() == 0) continue;
    key = displayed_key;
    break;
  }
  if (!book.own.empty() && (!key.has_value() || book.own.begin()->first < *key)) {
    key = book.own.begin()->first;
  }
  if (!key.has_value()) return std::nullopt;
  return TicksOf(side, *key);
}

bool ReplayBook::WouldTake(Side side, int64_t ticks) const {
  const std::optional<int64_t> other = best(Opposite(side));
  if (!other.has_value()) return false;
  return side == Side::kBuy ? ticks >= *other : ticks <= *other;
}

int64_t ReplayBook::LotsAt(Side side, int64_t ticks) const {
  const BookSide& book = At(side);
  const Key key = KeyOf(side, ticks);
  int64_t lots = 0;
  if (const auto it = book.displayed.find(key); it != book.displayed.end()) {
    lots += it->second.available();
  }
  if (const auto it = book.own.find(key); it != book.own.end()) {
    for (const uint32_t handle : it->second) lots += own_[handle].lots;
  }
  return lots;
}

void ReplayBook::ForEachLevel(Side side, VisitLevel visit) const {
  const BookSide& book = At(side);
  auto displayed = book.displayed.begin();
  auto own = book.own.begin();
  while (displayed != book.displayed.end() || own != book.own.end()) {
    Key key = 0;
    if (own == book.own.end()) {
      key = displayed->first;
    } else {
      key = displayed == book.displayed.end() ? own->first : std::min(displayed->first, own->first);
    }
    if (displayed != book.displayed.end() && displayed->first == key) ++displayed;
    if (own != book.own.end() && own->first == key) ++own;
    const int64_t lots = LotsAt(side, TicksOf(side, key));
    if (lots > 0 && !visit(TicksOf(side, key), lots)) return;
  }
}

void ReplayBook::ForEachResting(Side side, VisitResting visit) const {
  const BookSide& book = At(side);
  ForEachLevel(side, [&](int64_t ticks, int64_t) {
    const Key key = KeyOf(side, ticks);
    const auto displayed = book.displayed.find(key);
    const int64_t available = displayed == book.displayed.end() ? 0 : displayed->second.available();
    int64_t passed = 0;
    if (const auto own = book.own.find(key); own != book.own.end()) {
      for (const uint32_t handle : own->second) {
        const int64_t before = std::min(own_[handle].ahead, available) - passed;
        if (before > 0) {
          passed += before;
          if (!visit(ticks, before, kNoGroup)) return false;
        }
        if (!visit(ticks, own_[handle].lots, own_[handle].group)) return false;
      }
    }
    return available == passed || visit(ticks, available - passed, kNoGroup);
  });
}

std::optional<int64_t> ReplayBook::QueueAhead(uint32_t handle, uint32_t tag) const {
  if (tag == 0 || handle >= own_.size() || own_[handle].tag != tag) return std::nullopt;
  return own_[handle].ahead;
}

void ReplayBook::CheckInvariants() const {
  uint32_t count = 0;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    for (const auto& [key, queue] : At(side).own) {
      HF_ASSERT(!queue.empty());
      for (const uint32_t handle : queue) {
        HF_ASSERT(own_[handle].tag != 0);
        HF_ASSERT(own_[handle].lots > 0);
        HF_ASSERT(own_[handle].ahead >= 0);
        HF_ASSERT(KeyOf(side, own_[handle].ticks) == key);
        ++count;
      }
    }
    for (const auto& [key, lots] : At(side).base) HF_ASSERT(lots > 0);
  }
  HF_ASSERT(count == resting_count_);
  const std::optional<int64_t> bid = best(Side::kBuy);
  const std::optional<int64_t> ask = best(Side::kSell);
  // Between two recorded messages the recording itself may be crossed; our orders never are.
  if (bid.has_value() && ask.has_value() && !At(Side::kBuy).own.empty()) {
    HF_ASSERT(-At(Side::kBuy).own.begin()->first < *ask);
  }
}

}  // namespace holdfast
