#pragma once

#include "engine/base/decimal.h"
#include "engine/market/fill.h"
#include "engine/market/instrument.h"
#include "engine/market/price.h"

namespace holdfast {

// Signed sum of fills in one instrument with exact cost, in quote asset. Average-cost method: a
// fill that reduces the position realizes against the average entry, one that crosses zero closes
// the whole and opens the rest at its own price. Fees are kept apart (they may be in any asset);
// the ledger has them to the last unit.
//
// Where a part is closed and its share of the cost is not a whole unit, the share is rounded toward
// zero and the remainder stays in the cost of what is still held, so that it is realized with the
// last lot and never lost. INVARIANT, exact at all times: realized_pnl == cost - (sum of bought
// values - sum of sold values).
class Position {
 public:
  // Books one fill. The caller has deduplicated it.
  void Apply(const Instrument& instrument, const Fill& fill);

  Quantity quantity() const { return quantity_; }
  // Cost of what is held: positive for longs, negative for shorts; zero when flat.
  Notional cost() const { return cost_; }
  // Before fees.
  Notional realized_pnl() const { return realized_pnl_; }
  // Value at `mark` minus cost.
  Notional UnrealizedPnl(const Instrument& instrument, Price mark) const;
  // Zero when flat; rounded to nearest 10^-8 otherwise.
  Decimal AverageEntry(const Instrument& instrument) const;

  // For recovery from a store. INVARIANT after: quantity zero means cost zero.
  static Position Restore(Quantity quantity, Notional cost, Notional realized_pnl);

  friend bool operator==(const Position&, const Position&) = default;

 private:
  Quantity quantity_;
  Notional cost_;
  Notional realized_pnl_;
};

}  // namespace holdfast
