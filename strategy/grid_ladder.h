#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/base/decimal.h"
#include "engine/market/instrument.h"
#include "strategy/target_state.h"

namespace holdfast::internal {

// Parts of GridStrategy, in plain ticks and lots.

// Non-negative quotient; two thirds of the cycles of a 64-bit division when both fit 32 bits.
inline int64_t QuickDivide(int64_t numerator, int64_t denominator) {
  if (((numerator | denominator) >> 32) == 0) {
    return static_cast<uint32_t>(numerator) / static_cast<uint32_t>(denominator);
  }
  return numerator / denominator;
}

// The venue's static filters at the present price, ready for comparisons without a division.
class VenueRules {
 public:
  VenueRules(const MarketView& view, Decimal tick_size, Decimal lot_size);

  bool Allows(Side side, int64_t price_ticks, int64_t lots) const {
    const Range& range = side == Side::kBuy ? bids_ : asks_;
    return price_ticks >= range.low && price_ticks <= range.high && lots >= min_lots_ &&
           lots <= max_lots_ &&
           static_cast<__int128>(price_ticks * tick_units_) * (lots * lot_units_) >= min_notional_;
  }
  int64_t max_lots() const { return max_lots_; }

 private:
  struct Range {
    int64_t low;
    int64_t high;
  };
  static Range PriceRange(const Instrument& instrument, int64_t double_mid, Decimal multiplier_up,
                          Decimal multiplier_down);

  int64_t tick_units_;
  int64_t lot_units_;
  Range bids_;
  Range asks_;
  int64_t min_lots_;
  int64_t max_lots_;
  __int128 min_notional_;  // x 10^8
};

// The entry lines of one side: `size` lines from the center outward, and what is on them already.
class GridLadder {
 public:
  static constexpr int32_t kMaxSize = 200;

  struct Geometry {
    Side side = Side::kBuy;
    int64_t center_ticks = 0;
    int64_t interval_ticks = 1;
    int32_t size = 0;           // 0: no entries are wanted on this side
    int64_t limit_ticks = 0;    // the price nearest to the market that does not take
    int64_t order_lots = 0;     // wanted at each line
    int64_t capacity_lots = 0;  // all entries together
    int32_t max_back_off_ticks = 0;
  };

  explicit GridLadder(const Geometry& geometry);

  // A position, or an order that will close one, of `lots` at this price: as much less is wanted at
  // the nearest line.
  void Occupy(int64_t price_ticks, int64_t lots) {
    has_marks_ = true;
    if (LineState* line = LineNearest(price_ticks)) line->occupied_lots += lots;
  }
  // Post-only rejects in a row at exactly this line.
  void NoteRejects(int64_t line_ticks, int32_t reject_count) {
    has_marks_ = true;
    LineState* line = LineNearest(line_ticks);
    if (line != nullptr && PriceOf(*line) == line_ticks) line->reject_count = reject_count;
  }
  // Quantity that an exit may add to the position in the direction of this side.
  void UseCapacity(int64_t lots) { geometry_.capacity_lots -= lots; }

  // Whether every line wants the same and may have it, so that none needs to be looked at by
  // itself: nothing is on them, no price would take, there is capacity for all, and what the venue
  // allows at both ends of the window it allows between them.
  bool IsUniform(const VenueRules& rules) const {
    if (geometry_.size == 0) return true;
    return !has_marks_ && touch_index_ == 0 && geometry_.order_lots > 0 &&
           static_cast<__int128>(geometry_.order_lots) * geometry_.size <=
               geometry_.capacity_lots &&
           rules.Allows(geometry_.side, LineTicks(1), geometry_.order_lots) &&
           rules.Allows(geometry_.side, LineTicks(geometry_.size), geometry_.order_lots);
  }
  int32_t size() const { return geometry_.size; }
  // The entry at line `index`, 1..size(). REQUIRES: IsUniform().
  TargetOrder UniformEntry(int32_t index) const {
    return EntryAt(LineTicks(index), LineTicks(index), geometry_.order_lots);
  }

  // Appends the next wanted entry, nearest to the market first. False when there is none left.
  template <typename Orders>
  bool AppendNext(const VenueRules& rules, Orders& orders) {
    if (touch_index_ > 0 && !is_touch_done_) {
      is_touch_done_ = true;
      if (AppendTouch(rules, orders)) return true;
    }
    while (next_index_ <= geometry_.size) {
      const int32_t index = static_cast<int32_t>(next_index_++);
      const int64_t line_ticks = LineTicks(index);
      const LineState& line = lines_[index];
      const int64_t lots = geometry_.order_lots - line.occupied_lots;
      if (lots <= 0) continue;
      const int64_t price_ticks = line_ticks + sign_ * BackOff(line);
      if (!rules.Allows(geometry_.side, price_ticks, lots)) continue;
      if (!TakeCapacity(lots)) return false;
      orders.push_back(EntryAt(line_ticks, price_ticks, lots));
      return true;
    }
    return false;
  }

 private:
  struct LineState {
    int64_t occupied_lots;
    int32_t reject_count;
  };

  // lines_[1..size]; [0] is the line at the touch when that one is outside the window.
  LineState* LineNearest(int64_t price_ticks);
  int64_t LineTicks(int64_t index) const { return geometry_.center_ticks + step_ticks_ * index; }
  int64_t PriceOf(const LineState& line) const {
    const int64_t index = &line - lines_.data();
    return LineTicks(index == 0 ? touch_index_ : index);
  }
  int64_t BackOff(const LineState& line) const {
    return std::min(line.reject_count, geometry_.max_back_off_ticks);
  }
  bool TakeCapacity(int64_t lots) {
    if (lots > geometry_.capacity_lots) {
      next_index_ = geometry_.size + 1;  // nearest first: nothing beyond it either
      return false;
    }
    geometry_.capacity_lots -= lots;
    return true;
  }
  template <typename Orders>
  bool AppendTouch(const VenueRules& rules, Orders& orders) {
    const LineState& line = lines_[touch_index_ <= geometry_.size ? touch_index_ : 0];
    const int64_t line_ticks = LineTicks(touch_index_);
    const int64_t next_ticks = line_ticks + step_ticks_;
    int64_t price_ticks = geometry_.limit_ticks + sign_ * BackOff(line);
    if (sign_ * (price_ticks - next_ticks) >= 0) {
      if (touch_index_ < geometry_.size) return false;  // the next line is there already
      price_ticks = next_ticks;
    }
    const int64_t lots = geometry_.order_lots - line.occupied_lots;
    if (lots <= 0 || !rules.Allows(geometry_.side, price_ticks, lots)) return false;
    if (!TakeCapacity(lots)) return false;
    orders.push_back(EntryAt(line_ticks, price_ticks, lots));
    return true;
  }
  TargetOrder EntryAt(int64_t line_ticks, int64_t price_ticks, int64_t lots) const {
    return {.key = {.line = static_cast<int32_t>(line_ticks),
                    .entry_side = geometry_.side,
                    .is_exit = false},
            .side = geometry_.side,
            .price = Price::FromTicks(price_ticks),
            .quantity = Quantity::FromLots(lots)};
  }

  Geometry geometry_;
  int64_t sign_;         // -1: buys lie below the center; +1: sells above
  int64_t step_ticks_;   // sign x interval
  int64_t touch_index_;  // > 0: lines 1..touch_index_ would take; their one order stands for all
  int64_t next_index_;
  bool is_touch_done_ = false;
  bool has_marks_ = false;
  std::array<LineState, kMaxSize + 1> lines_;  // only the first size + 1 are initialized
};

}  // namespace holdfast::internal
