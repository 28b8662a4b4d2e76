#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "engine/base/clock.h"
#include "engine/base/decimal.h"

namespace holdfast {

// How the loop works: bounds, deadlines and policies. Every default is meant for a live venue.
struct QuotingOptions {
  // --- one turn ---
  int32_t max_engine_events_per_turn = 256;
  int32_t max_feed_messages_per_turn = 256;
  int32_t max_intents_per_turn = 32;  // placements and cancels together

  // --- market data ---
  int64_t book_stale_after_ns = 5 * kNanosPerSecond;
  int64_t snapshot_retry_ns = 2 * kNanosPerSecond;  // ask again when none has come
  // Least time between two decisions that only the market asks for (L3's update interval); 0: each
  // change of the touch. Order events, gates and timers are never held back.
  int64_t market_decide_interval_ns = 0;
  int64_t atr_bar_ns = 60 * kNanosPerSecond;
  int32_t atr_period = 14;
  int32_t atr_baseline_bars = 1440;  // long window of the baseline ATR

  // --- orders (DESIGN section 6) ---
  // No answer of the engine for so long: the order is UNKNOWN.
  int64_t answer_deadline_ns = 10 * kNanosPerSecond;
  // Between two queries while an order is being resolved: doubled each time from the first to the
  // second value.
  int64_t resolve_retry_ns = 500 * kNanosPerMilli;
  int64_t resolve_retry_ns_max = 10 * kNanosPerSecond;
  int64_t cancel_retry_ns = 500 * kNanosPerMilli;  // back-off between cancels of one order
  int64_t cancel_retry_ns_max = 10 * kNanosPerSecond;
  // Queries of single orders under way at once.
  int32_t max_order_queries = 8;
  // A level whose post-only order was refused is placed again after so long.
  int64_t post_only_retry_ns = 100 * kNanosPerMilli;
  // Any other reject of a level: wait before the same level is tried again.
  int64_t reject_retry_ns = 1 * kNanosPerSecond;

  // --- reconciliation (R7) ---
  int64_t reconcile_interval_ns = 300 * kNanosPerSecond;  // periodic full synchronization
  int64_t reconcile_retry_ns = 1 * kNanosPerSecond;       // after a failed query
  int64_t query_deadline_ns = 15 * kNanosPerSecond;       // no end of a query: ask again
  bool cancel_foreign_orders = false;                     // false: reported and left alone
  // Wallet differences up to this amount (in the asset's units) are counted but not alerted.
  Decimal wallet_tolerance;

  // After a start, orders of the last run are left where they are for so long while the book and
  // the account become known, so that they can keep their place in the queue; then law 6 cancels.
  int64_t restart_grace_ns = 10 * kNanosPerSecond;

  // --- clean-up (X10) ---
  int64_t cleanup_interval_ns = 10 * kNanosPerSecond;
  int64_t stale_order_age_ns = 30 * kNanosPerSecond;  // working, not wanted for so long
  int32_t cleanup_order_count = 400;  // above it the oldest, farthest ones are canceled

  // --- account safety (X11) ---
  std::optional<Decimal> configured_maker_fee_rate;   // unset: take the venue's word
  Decimal fee_tolerance = Decimal::FromUnits(1'000);  // 0.001 %
  int64_t max_clock_skew_ns = 1 * kNanosPerSecond;

  // --- inventory ---
  Decimal target_position;  // base, signed

  // --- shutdown ---
  int64_t stop_retry_ns = 1 * kNanosPerSecond;  // between two rounds of cancel and prove

  // --- publishing ---
  int64_t snapshot_interval_ns = 100 * kNanosPerMilli;
};

// kInvalidArgument names the field, its value and the range.
absl::Status Validate(const QuotingOptions& options);

}  // namespace holdfast
