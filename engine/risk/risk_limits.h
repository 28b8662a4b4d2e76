#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/base/clock.h"
#include "engine/base/decimal.h"

namespace holdfast {

// What this instance may do at most. Sizes are decimals in base or quote units, not lots or ticks:
// a filter change at the venue must not change a limit. Zero switches a limit off only where the
// comment says so.
struct RiskLimits {
  Decimal max_position;           // base, magnitude; required. Counts working and unknown orders
  Decimal max_order_quantity;     // base; 0 = the venue's limit only
  Notional max_order_notional;    // quote; 0 = none
  int32_t max_open_orders = 450;  // in flight and unknown ones included; 1..kMaxOpenOrders

  // Largest distance of a new order from the mid, as a fraction of it: a wrong price is refused
  // here.
  Decimal max_price_deviation = Decimal::FromUnits(20'000'000);  // 20 %

  // Placements a second and at once (token bucket). Cancels are not limited here.
  int32_t max_orders_per_second = 100;
  int32_t max_order_burst = 200;

  // Least gain of a round trip after two maker fees, as a fraction of the price (edge guard).
  Decimal min_edge_rate;

  // So many definite failures in a row (rejects other than post-only ones, ambiguous answers) open
  // the breaker: no placements for `breaker_open_ns`, doubled each time it opens again at once, up
  // to `breaker_open_ns_max`.
  int32_t breaker_failure_count = 10;
  int64_t breaker_open_ns = 10 * kNanosPerSecond;
  int64_t breaker_open_ns_max = 600 * kNanosPerSecond;

  // RiskMonitor (X2): risk mode begins when ATR / baseline reaches the trigger or the mid has
  // fallen by `drop_trigger` below its highest of the last `drop_window_ns`; it ends when both are
  // under their clear level for `clear_hold_ns` in a row. Zero trigger = that one is off.
  Decimal atr_ratio_trigger = Decimal::FromInteger(3);
  Decimal atr_ratio_clear = Decimal::FromInteger(2);
  Decimal drop_trigger = Decimal::FromUnits(3'000'000);  // 3 %
  Decimal drop_clear = Decimal::FromUnits(1'500'000);    // 1.5 %
  int64_t drop_window_ns = 900 * kNanosPerSecond;
  int64_t clear_hold_ns = 60 * kNanosPerSecond;

  static constexpr int32_t kMaxOpenOrders = 800;
};

// kInvalidArgument names the field, its value and the range.
absl::Status Validate(const RiskLimits& limits);

}  // namespace holdfast
