#pragma once

#include <optional>
#include <string>

#include "apps/log.h"
#include "connectors/api/venue_gateway.h"

namespace holdfast {

// Why queries wait at the venue, in words for somebody who was woken by it: which budget, how much
// of it is used, for how long at most. Empty when nothing waits.
std::string ExplainQueryWait(const RateBudget& budget, int64_t wall_ns);

// Logs when queries begin to wait for a budget, what for, and when that is over: a service that
// starts, reconciles or stops slowly must say why. Waits shorter than kQuietNs are not told. Main
// thread.
class BudgetWatch {
 public:
  static constexpr int64_t kQuietNs = 2 * kNanosPerSecond;
  static constexpr int64_t kRepeatNs = 10 * kNanosPerSecond;

  explicit BudgetWatch(Log& log) : log_(log) {}
  // `is_stopping`: what waits is the proof of the empty book.
  void Look(const RateBudget& budget, bool is_stopping, int64_t wall_ns, int64_t now_ns);

 private:
  Log& log_;
  std::optional<int64_t> waits_since_ns_;
  std::optional<int64_t> told_at_ns_;
};

}  // namespace holdfast
