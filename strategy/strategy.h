#pragma once

#include <span>

#include "strategy/slot.h"
#include "strategy/target_state.h"

namespace holdfast {

// What must survive a restart so that the lines never move (G1). Journaled by the engine whenever
// it changes; given back at start.
struct StrategyMemory {
  bool has_anchor = false;
  Price anchor;
  // Interval in force, in ticks: the hysteresis band of G5 keeps it until the new one differs
  // enough.
  int64_t interval_ticks = 0;
  friend bool operator==(const StrategyMemory&, const StrategyMemory&) = default;
};

// A quoting strategy: a pure function with parameters. No clock, no I/O, no state between calls:
// what has to be remembered is in `memory`, which the caller owns and journals.
//
// What it must guarantee: no order meets the book (a buy is below the best ask, a sell above the
// best bid). What it need not: that its own buys lie below its own sells. It does not see what
// still rests from the target before, and an exit may want the price of another slot's entry; the
// engine's gate refuses an order that would meet any of ours that may be live.
//
// Decide() runs on the hot path: no allocation, no locks. One thread.
class Strategy {
 public:
  virtual ~Strategy();
  // Clears and fills `target`. `slots` are all slots that are not free, and the free ones whose
  // post-only reject count is not zero, in any order, each at most once. May update `memory` (first
  // anchor, new interval).
  virtual void Decide(const MarketView& view, const Inventory& inventory,
                      std::span<const Slot> slots, StrategyMemory& memory,
                      TargetState& target) const = 0;
  // An order whose price is within this distance of its target stays, so that it keeps its place in
  // the queue.
  virtual int64_t price_tolerance_ticks() const = 0;
  // Size of an ordinary entry, so that one which the venue would never take can be told instead of
  // quoting nothing. Zero: sizes vary, nobody can tell.
  virtual Quantity order_quantity() const { return Quantity(); }
};

}  // namespace holdfast
