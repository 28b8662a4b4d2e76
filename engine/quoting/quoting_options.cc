#include "engine/quoting/quoting_options.h"

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr int64_t kHourNs = 3'600 * kNanosPerSecond;

absl::Status Between(const char* field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("quoting option out of range: ", field, "=", value,
                                                 " expected=", low, "..", high));
}

absl::Status NotNegative(const char* field, Decimal value) {
  if (!value.is_negative()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("quoting option out of range: ", field, "=", value.ToText(), " expected=>= 0"));
}

}  // namespace

absl::Status Validate(const QuotingOptions& options) {
  constexpr int64_t kMilli = kNanosPerMilli;
  const QuotingOptions& o = options;
  for (const absl::Status& status : {
           Between("max_engine_events_per_turn", o.max_engine_events_per_turn, 1, 65'536),
           Between("max_feed_messages_per_turn", o.max_feed_messages_per_turn, 1, 65'536),
           Between("max_intents_per_turn", o.max_intents_per_turn, 1, 1'024),
           Between("book_stale_after_ns", o.book_stale_after_ns, 10 * kMilli, kHourNs),
           Between("snapshot_retry_ns", o.snapshot_retry_ns, kMilli, kHourNs),
           Between("atr_bar_ns", o.atr_bar_ns, 100 * kMilli, 24 * kHourNs),
           Between("atr_period", o.atr_period, 1, 1'000),
           Between("atr_baseline_bars", o.atr_baseline_bars, 1, 100'000),
           Between("answer_deadline_ns", o.answer_deadline_ns, 100 * kMilli, kHourNs),
           Between("resolve_retry_ns", o.resolve_retry_ns, kMilli, kHourNs),
           Between("resolve_retry_ns_max", o.resolve_retry_ns_max, o.resolve_retry_ns, kHourNs),
           Between("cancel_retry_ns", o.cancel_retry_ns, kMilli, kHourNs),
           Between("cancel_retry_ns_max", o.cancel_retry_ns_max, o.cancel_retry_ns, kHourNs),
           Between("max_order_queries", o.max_order_queries, 1, 256),
           Between("post_only_retry_ns", o.post_only_retry_ns, 0, kHourNs),
           Between("reject_retry_ns", o.reject_retry_ns, 0, kHourNs),
           Between("reconcile_interval_ns", o.reconcile_interval_ns, 100 * kMilli, 24 * kHourNs),
           Between("reconcile_retry_ns", o.reconcile_retry_ns, kMilli, kHourNs),
           Between("query_deadline_ns", o.query_deadline_ns, 100 * kMilli, kHourNs),
           Between("restart_grace_ns", o.restart_grace_ns, 0, kHourNs),
           NotNegative("wallet_tolerance", o.wallet_tolerance),
           Between("market_decide_interval_ns", o.market_decide_interval_ns, 0, kHourNs),
           Between("cleanup_interval_ns", o.cleanup_interval_ns, kMilli, 24 * kHourNs),
           Between("stale_order_age_ns", o.stale_order_age_ns, kMilli, 24 * kHourNs),
           Between("cleanup_order_count", o.cleanup_order_count, 1, 100'000),
           NotNegative("fee_tolerance", o.fee_tolerance),
           Between("max_clock_skew_ns", o.max_clock_skew_ns, kMilli, kHourNs),
           Between("stop_retry_ns", o.stop_retry_ns, kMilli, kHourNs),
           Between("snapshot_interval_ns", o.snapshot_interval_ns, kMilli, kHourNs),
       }) {
    HF_RETURN_IF_ERROR(status);
  }
  if (o.atr_baseline_bars < o.atr_period) {
    return Between("atr_baseline_bars", o.atr_baseline_bars, o.atr_period, 100'000);
  }
  return absl::OkStatus();
}

}  // namespace holdfast
