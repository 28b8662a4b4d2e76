#pragma once

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <unordered_map>

#include "connectors/sim/matching_engine.h"

namespace holdfast {

// Price-time matching written the plainest way: a map of prices, a list per price. What the
// matching engine is compared with, in tests and in the benchmark.
class ReferenceBook {
 public:
  template <typename Listener>
  EngineResult Place(const EngineOrder& order, Listener& listener) {
    return order.side == Side::kBuy ? PlaceOn(order, bids_, asks_, listener)
                                    : PlaceOn(order, asks_, bids_, listener);
  }

  int64_t Cancel(uint32_t tag) {
    const auto found = places_.find(tag);
    if (found == places_.end()) return 0;
    const auto [side, ticks, it] = found->second;
    const int64_t lots = it->lots;
    if (side == Side::kBuy) {
      Remove(bids_, ticks, it);
    } else {
      Remove(asks_, ticks, it);
    }
    places_.erase(found);
    return lots;
  }

  bool Reduce(uint32_t tag, int64_t lots) {
    const auto found = places_.find(tag);
    if (found == places_.end()) return false;
    found->second.it->lots = lots;
    return true;
  }
  int64_t OpenLots(uint32_t tag) const {
    const auto found = places_.find(tag);
    return found == places_.end() ? 0 : found->second.it->lots;
  }
  size_t resting_count() const { return places_.size(); }
  std::map<int64_t, int64_t> Levels(Side side) const {
    std::map<int64_t, int64_t> levels;
    const auto add = [&](const auto& book) {
      for (const auto& [ticks, orders] : book) {
        for (const Resting& resting : orders) levels[ticks] += resting.lots;
      }
    };
    if (side == Side::kBuy) {
      add(bids_);
    } else {
      add(asks_);
    }
    return levels;
  }

 private:
  struct Resting {
    uint32_t tag;
    uint16_t owner;
    uint16_t group;
    int64_t lots;
  };
  using Orders = std::list<Resting>;
  struct Place_ {
    Side side;
    int64_t ticks;
    Orders::iterator it;
  };

  template <typename Book>
  void Remove(Book& book, int64_t ticks, Orders::iterator it) {
    const auto level = book.find(ticks);
    level->second.erase(it);
    if (level->second.empty()) book.erase(level);
  }

  template <typename Same, typename Other>
  static bool Crosses(const EngineOrder& order, const Other& other) {
    if (other.empty()) return false;
    if (order.kind == EngineOrderKind::kMarket) return true;
    const int64_t best = other.begin()->first;
    return order.side == Side::kBuy ? order.price_ticks >= best : order.price_ticks <= best;
  }

  template <typename Other>
  static bool CanFillAll(const EngineOrder& order, const Other& other) {
    int64_t missing = order.lots;
    for (const auto& [ticks, orders] : other) {
      if (order.side == Side::kBuy ? ticks > order.price_ticks : ticks < order.price_ticks) break;
      for (const Resting& resting : orders) {
        if (order.self_trade != SelfTradeMode::kNone && resting.group == order.group) {
          if (order.self_trade != SelfTradeMode::kExpireMaker) return missing <= 0;
          continue;
        }
        missing -= resting.lots;
        if (missing <= 0) return true;
      }
    }
    return missing <= 0;
  }

  template <typename Same, typename Other, typename Listener>
  EngineResult PlaceOn(const EngineOrder& order, Same& same, Other& other, Listener& listener) {
    int64_t left = order.lots;
    if (Crosses<Same>(order, other)) {
      if (order.kind == EngineOrderKind::kPostOnly) return {EngineOutcome::kWouldTake, 0, left};
      if (order.kind == EngineOrderKind::kFillOrKill && !CanFillAll(order, other)) {
        return {EngineOutcome::kDropped, 0, left};
      }
    }
    while (left > 0 && Crosses<Same>(order, other)) {
      const auto level = other.begin();
      Resting& maker = level->second.front();
      if (order.self_trade != SelfTradeMode::kNone && maker.group == order.group) {
        if (order.self_trade == SelfTradeMode::kExpireTaker) {
          return {EngineOutcome::kPrevented, 0, left};
        }
        const bool is_decrement = order.self_trade == SelfTradeMode::kDecrement;
        const int64_t lots = is_decrement ? std::min(left, maker.lots) : maker.lots;
        maker.lots -= lots;
        if (is_decrement) left -= lots;
        listener.OnPrevented(EnginePrevention{maker.tag, maker.owner, Opposite(order.side),
                                              level->first, lots, maker.lots});
        if (maker.lots == 0) Pop(other, level);
        if (is_decrement && left == 0) return {EngineOutcome::kPrevented, 0, 0};
        if (order.self_trade == SelfTradeMode::kExpireBoth) {
          return {EngineOutcome::kPrevented, 0, left};
        }
        continue;
      }
      const int64_t lots = std::min(left, maker.lots);
      left -= lots;
      maker.lots -= lots;
      listener.OnTrade(EngineTrade{maker.tag, order.tag, maker.owner, order.owner, order.side,
                                   level->first, lots, maker.lots});
      if (maker.lots == 0) Pop(other, level);
    }
    if (left == 0) return {EngineOutcome::kFilled, 0, 0};
    if (order.kind != EngineOrderKind::kLimit && order.kind != EngineOrderKind::kPostOnly) {
      return {EngineOutcome::kDropped, 0, left};
    }
    Orders& orders = same[order.price_ticks];
    orders.push_back({order.tag, order.owner, order.group, left});
    places_[order.tag] = {order.side, order.price_ticks, std::prev(orders.end())};
    return {EngineOutcome::kRests, 0, left};
  }

  template <typename Book, typename Level>
  void Pop(Book& book, Level level) {
    places_.erase(level->second.front().tag);
    level->second.pop_front();
    if (level->second.empty()) book.erase(level);
  }

  std::map<int64_t, Orders, std::greater<>> bids_;
  std::map<int64_t, Orders> asks_;
  std::unordered_map<uint32_t, Place_> places_;
};

}  // namespace holdfast
