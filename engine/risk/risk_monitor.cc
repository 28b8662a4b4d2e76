#include "engine/risk/risk_monitor.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {

std::string_view ToText(RiskMonitor::Cause cause) {
  switch (cause) {
    case RiskMonitor::Cause::kVolatility:
      return "volatility";
    case RiskMonitor::Cause::kDrop:
      return "drop";
    case RiskMonitor::Cause::kRestored:
      return "restored";
  }
  return "invalid";
}

RiskMonitor::RiskMonitor(const RiskLimits& limits)
    : limits_(limits), bucket_ns_(std::max<int64_t>(1, limits.drop_window_ns / kBucketCount)) {
  HF_ASSERT(Validate(limits).ok());
}

int64_t RiskMonitor::RecentHigh(int64_t ticks, int64_t now_ns) {
  if (bucket_begin_ns_ == INT64_MIN || now_ns - bucket_begin_ns_ >= bucket_ns_) {
    EnterBucket(now_ns / bucket_ns_);
  }
  Bucket& current = buckets_[bucket_position_];
  current.high_ticks = std::max(current.high_ticks, ticks);
  recent_high_ticks_ = std::max(recent_high_ticks_, ticks);
  return recent_high_ticks_;
}

void RiskMonitor::EnterBucket(int64_t index) {
  bucket_begin_ns_ = index * bucket_ns_;
  bucket_position_ = static_cast<size_t>(index) % buckets_.size();
  if (buckets_[bucket_position_].index != index) buckets_[bucket_position_] = {.index = index};
  recent_high_ticks_ = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.index >= 0 && index - bucket.index <= kBucketCount) {
      recent_high_ticks_ = std::max(recent_high_ticks_, bucket.high_ticks);
    }
  }
}

bool RiskMonitor::IsCalm(Decimal atr_ratio) const {
  const bool is_volatility_calm =
      limits_.atr_ratio_trigger.is_zero() || atr_ratio <= limits_.atr_ratio_clear;
  const bool is_drop_calm = limits_.drop_trigger.is_zero() || drop_ <= limits_.drop_clear;
  return is_volatility_calm && is_drop_calm;
}

RiskMonitor::Change RiskMonitor::Update(Price doubled_mid, Decimal atr_ratio, int64_t now_ns) {
  HF_ASSERT(doubled_mid.ticks() > 0);
  const int64_t high = RecentHigh(doubled_mid.ticks(), now_ns);
  const int64_t fall = high - doubled_mid.ticks();
  drop_ = fall == 0 ? Decimal()
                    : Decimal::FromUnits(static_cast<int64_t>(static_cast<__int128>(fall) *
                                                              Decimal::kUnitsPerOne / high));

  const bool is_volatile =
      limits_.atr_ratio_trigger.is_positive() && atr_ratio >= limits_.atr_ratio_trigger;
  const bool has_dropped = limits_.drop_trigger.is_positive() && drop_ >= limits_.drop_trigger;
  if (!is_active_) {
    if (!is_volatile && !has_dropped) return Change::kNone;
    is_active_ = true;
    cause_ = is_volatile ? Cause::kVolatility : Cause::kDrop;
    calm_since_ns_ = 0;
    return Change::kTriggered;
  }
  if (!IsCalm(atr_ratio)) {
    calm_since_ns_ = 0;
    return Change::kNone;
  }
  if (calm_since_ns_ == 0) calm_since_ns_ = std::max<int64_t>(1, now_ns);
  if (now_ns - calm_since_ns_ < limits_.clear_hold_ns) return Change::kNone;
  is_active_ = false;
  calm_since_ns_ = 0;
  return Change::kCleared;
}

void RiskMonitor::Clear() {
  is_active_ = false;
  calm_since_ns_ = 0;
  buckets_.fill({});
  bucket_begin_ns_ = INT64_MIN;
}

}  // namespace holdfast
