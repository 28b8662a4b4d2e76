#include "engine/risk/risk_limits.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

absl::Status OutOfRange(const char* field, const std::string& value, const std::string& range) {
  return absl::InvalidArgumentError(
      absl::StrCat("risk limit out of range: ", field, "=", value, " expected=", range));
}

absl::Status NotNegative(const char* field, Decimal value) {
  if (!value.is_negative()) return absl::OkStatus();
  return OutOfRange(field, value.ToText(), ">= 0");
}

absl::Status Between(const char* field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return OutOfRange(field, absl::StrCat(value), absl::StrCat(low, "..", high));
}

absl::Status ClearBelowTrigger(const char* field, Decimal clear, Decimal trigger) {
  if (trigger.is_zero() || (!clear.is_negative() && clear < trigger)) return absl::OkStatus();
  return OutOfRange(field, clear.ToText(),
                    absl::StrCat("0 up to below its trigger ", trigger.ToText()));
}

}  // namespace

absl::Status Validate(const RiskLimits& limits) {
  constexpr int64_t kDayNs = 86'400 * kNanosPerSecond;
  if (!limits.max_position.is_positive()) {
    return OutOfRange("max_position", limits.max_position.ToText(), "> 0");
  }
  if (!limits.max_price_deviation.is_positive() ||
      limits.max_price_deviation > Decimal::FromInteger(1)) {
    return OutOfRange("max_price_deviation", limits.max_price_deviation.ToText(),
                      "above 0 up to 1");
  }
  for (const absl::Status& status : {
           NotNegative("max_order_quantity", limits.max_order_quantity),
           NotNegative("max_order_notional", limits.max_order_notional),
           Between("max_open_orders", limits.max_open_orders, 1, RiskLimits::kMaxOpenOrders),
           Between("max_orders_per_second", limits.max_orders_per_second, 1, 100'000),
           Between("max_order_burst", limits.max_order_burst, 1, 100'000),
           NotNegative("min_edge_rate", limits.min_edge_rate),
           Between("breaker_failure_count", limits.breaker_failure_count, 1, 1'000'000),
           Between("breaker_open_ns", limits.breaker_open_ns, 1, kDayNs),
           Between("breaker_open_ns_max", limits.breaker_open_ns_max, limits.breaker_open_ns,
                   kDayNs),
           NotNegative("atr_ratio_trigger", limits.atr_ratio_trigger),
           ClearBelowTrigger("atr_ratio_clear", limits.atr_ratio_clear, limits.atr_ratio_trigger),
           NotNegative("drop_trigger", limits.drop_trigger),
           ClearBelowTrigger("drop_clear", limits.drop_clear, limits.drop_trigger),
           Between("drop_window_ns", limits.drop_window_ns, kNanosPerSecond, kDayNs),
           Between("clear_hold_ns", limits.clear_hold_ns, 0, kDayNs),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace holdfast
