#include "engine/market/position.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

Quantity CheckedSum(Quantity a, Quantity b) {
  return Quantity::FromLots(Decimal::Checked(static_cast<__int128>(a.lots()) + b.lots()));
}

// The part of `cost` that belongs to `part` of `whole`, rounded toward zero: the remainder stays
// with what is still held and is released with its last lot.
Notional CostShare(Notional cost, Quantity part, Quantity whole) {
  const __int128 share = static_cast<__int128>(cost.units()) * part.lots() / whole.lots();
  return Notional::FromUnits(Decimal::Checked(share));
}

}  // namespace

void Position::Apply(const Instrument& instrument, const Fill& fill) {
  HF_ASSERT(fill.quantity.is_positive());
  const int64_t sign = Sign(fill.side);
  const Notional value = instrument.NotionalOf(fill.price, fill.quantity) * sign;

  const bool is_opening = quantity_.is_zero() || quantity_.is_positive() == (sign > 0);
  if (is_opening) {
    quantity_ = CheckedSum(quantity_, fill.quantity * sign);
    cost_ += value;
    return;
  }

  const Quantity held = quantity_.Absolute();
  const Quantity closed = std::min(held, fill.quantity);
  const bool closes_all = closed == held;
  // The closing part is valued by itself and the opening part gets the rest, so that the two add up
  // to the fill's value even where a single lot's value is not a whole unit.
  const Notional closed_value =
      closed == fill.quantity ? value : instrument.NotionalOf(fill.price, closed) * sign;
  const Notional released = closes_all ? cost_ : CostShare(cost_, closed, held);
  realized_pnl_ -= released + closed_value;
  cost_ -= released;
  quantity_ = CheckedSum(quantity_, fill.quantity * sign);
  if (closes_all) {
    HF_ASSERT(cost_.is_zero());
    cost_ = value - closed_value;
  }
}

Notional Position::UnrealizedPnl(const Instrument& instrument, Price mark) const {
  return instrument.NotionalOf(mark, quantity_) - cost_;
}

Decimal Position::AverageEntry(const Instrument& instrument) const {
  if (quantity_.is_zero()) return Decimal();
  return Divide(cost_, instrument.ToDecimal(quantity_), Rounding::kNearest);
}

Position Position::Restore(Quantity quantity, Notional cost, Notional realized_pnl) {
  if (quantity.is_zero()) HF_ASSERT(cost.is_zero());
  Position position;
  position.quantity_ = quantity;
  position.cost_ = cost;
  position.realized_pnl_ = realized_pnl;
  return position;
}

}  // namespace holdfast
