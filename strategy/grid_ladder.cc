#include "strategy/grid_ladder.h"

#include "engine/base/assert.h"

namespace holdfast::internal {
namespace {

// About ten times the reference price; keeps the products below in 64 bits.
constexpr int64_t kMaxMultiplierUnits = int64_t{1} << 30;
constexpr int64_t kDoubleUnits = 2 * Decimal::kUnitsPerOne;

}  // namespace

VenueRules::VenueRules(const MarketView& view, Decimal tick_size, Decimal lot_size)
    : tick_units_(tick_size.units()), lot_units_(lot_size.units()) {
  const Instrument& instrument = *view.instrument;
  const int64_t double_mid = view.best_bid.ticks() + view.best_ask.ticks();
  bids_ = PriceRange(instrument, double_mid, instrument.bid_multiplier_up,
                     instrument.bid_multiplier_down);
  asks_ = PriceRange(instrument, double_mid, instrument.ask_multiplier_up,
                     instrument.ask_multiplier_down);
  min_lots_ = std::max<int64_t>(instrument.min_quantity.lots(), 1);
  max_lots_ = instrument.max_quantity.is_positive() ? instrument.max_quantity.lots() : INT64_MAX;
  min_notional_ = static_cast<__int128>(instrument.min_notional.units()) * Decimal::kUnitsPerOne;
}

VenueRules::Range VenueRules::PriceRange(const Instrument& instrument, int64_t double_mid,
                                         Decimal multiplier_up, Decimal multiplier_down) {
  // The upper bound also keeps every line's price in SlotKey::line.
  Range range = {.low = std::max<int64_t>(instrument.min_price.ticks(), 1), .high = INT32_MAX};
  if (instrument.max_price.ticks() > 0)
    range.high = std::min(range.high, instrument.max_price.ticks());
  if (multiplier_up.is_positive()) {
    const int64_t factor = std::min(multiplier_up.units(), kMaxMultiplierUnits);
    range.high = std::min(range.high, double_mid * factor / kDoubleUnits);
  }
  if (multiplier_down.is_positive()) {
    const int64_t factor = std::min(multiplier_down.units(), kMaxMultiplierUnits);
    range.low = std::max(range.low, (double_mid * factor + kDoubleUnits - 1) / kDoubleUnits);
  }
  return range;
}

GridLadder::GridLadder(const Geometry& geometry)
    : geometry_(geometry),
      sign_(geometry.side == Side::kBuy ? -1 : 1),
      step_ticks_(sign_ * geometry.interval_ticks),
      touch_index_(0),
      next_index_(1) {
  HF_ASSERT(geometry.size >= 0);
  HF_ASSERT(geometry.size <= kMaxSize);
  HF_ASSERT(geometry.interval_ticks > 0);
  std::fill_n(lines_.begin(), geometry.size + 1, LineState{0, 0});
  if (geometry.size == 0) return;
  // Lines on the wrong side of the limit: how far line 1 is beyond it, in intervals, rounded up.
  const int64_t first_ticks = geometry.center_ticks + step_ticks_;
  const int64_t beyond_ticks = sign_ * (geometry.limit_ticks - first_ticks);
  if (beyond_ticks > 0) {
    touch_index_ = (beyond_ticks + geometry.interval_ticks - 1) / geometry.interval_ticks;
    next_index_ = touch_index_ + 1;
  }
}

GridLadder::LineState* GridLadder::LineNearest(int64_t price_ticks) {
  if (geometry_.size == 0) return nullptr;
  const int64_t interval = geometry_.interval_ticks;
  const int64_t distance = sign_ * (price_ticks - geometry_.center_ticks) + interval / 2;
  if (distance < interval) return nullptr;
  const int64_t last = std::max<int64_t>(geometry_.size, touch_index_);
  if (distance >= (last + 1) * interval) return nullptr;
  const int64_t index = QuickDivide(distance, interval);
  if (index <= geometry_.size) return &lines_[index];
  return index == touch_index_ ? &lines_[0] : nullptr;
}

}  // namespace holdfast::internal
