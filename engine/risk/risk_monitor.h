#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "engine/base/decimal.h"
#include "engine/market/price.h"
#include "engine/risk/risk_limits.h"

namespace holdfast {

// Watches the market for what a grid must not buy into (X2): a volatility that is a multiple of the
// usual, or a mid that has fallen far below its recent high. While active, buys are canceled and
// entries wait. Ends only when both measures have been under their (lower) clear levels for
// `clear_hold_ns` in a row, so that it does not flap.
//
// The recent high is kept in kBucketCount buckets of the window, so it is forgotten between one
// window and one window + 1/kBucketCount after it was seen. Times are monotonic nanoseconds. One
// thread, no allocation.
class RiskMonitor {
 public:
  enum class Change : uint8_t { kNone, kTriggered, kCleared };
  enum class Cause : uint8_t { kVolatility, kDrop, kRestored };

  // REQUIRES: Validate(limits) is OK.
  explicit RiskMonitor(const RiskLimits& limits);

  // Goes on in the stored mode; it clears by the same rules as any other.
  void Restore(bool is_active) {
    is_active_ = is_active;
    cause_ = Cause::kRestored;
    calm_since_ns_ = 0;
  }

  // `doubled_mid` is best bid + best ask, in ticks (no rounding).
  Change Update(Price doubled_mid, Decimal atr_ratio, int64_t now_ns);
  // The operator ends it. The high is forgotten, or it would trigger again at once.
  void Clear();

  bool is_active() const { return is_active_; }
  Cause cause() const { return cause_; }
  // Fall of the mid below its recent high, as a fraction of the high.
  Decimal drop() const { return drop_; }

 private:
  static constexpr int kBucketCount = 16;
  struct Bucket {
    int64_t index = -1;
    int64_t high_ticks = 0;
  };

  int64_t RecentHigh(int64_t ticks, int64_t now_ns);
  void EnterBucket(int64_t index);
  bool IsCalm(Decimal atr_ratio) const;

  RiskLimits limits_;
  int64_t bucket_ns_;
  // The bucket of now, and the highest of all that count, so that a mid costs two comparisons.
  int64_t bucket_begin_ns_ = INT64_MIN;
  size_t bucket_position_ = 0;
  int64_t recent_high_ticks_ = 0;
  std::array<Bucket, kBucketCount + 1> buckets_ = {};
  Decimal drop_;
  bool is_active_ = false;
  Cause cause_ = Cause::kVolatility;
  int64_t calm_since_ns_ = 0;  // 0 = not calm
};

std::string_view ToText(RiskMonitor::Cause cause);

}  // namespace holdfast
