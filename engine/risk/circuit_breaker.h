#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/assert.h"

namespace holdfast {

// Opens after a number of failures in a row and stays open for a time that doubles whenever the
// first attempt after it fails as well (X9). Times are wall clock, because an open breaker survives
// a restart: `open_until_ns()` is what gets stored.
class CircuitBreaker {
 public:
  struct Parameters {
    int32_t failure_count = 10;
    int64_t open_ns = 0;
    int64_t open_ns_max = 0;
  };

  explicit CircuitBreaker(const Parameters& parameters)
      : parameters_(parameters), next_open_ns_(parameters.open_ns) {
    HF_ASSERT(parameters.failure_count > 0);
    HF_ASSERT(parameters.open_ns > 0);
    HF_ASSERT(parameters.open_ns_max >= parameters.open_ns);
  }

  // A stored breaker goes on where it was, but never longer than it could have been opened for: a
  // wall clock that was set back must not lock us out.
  void Restore(int64_t open_until_ns, int64_t now_ns) {
    open_until_ns_ = std::min(open_until_ns, now_ns + parameters_.open_ns_max);
    if (open_until_ns_ > 0) failures_in_a_row_ = parameters_.failure_count - 1;
  }

  // True when this failure opened the breaker.
  bool OnFailure(int64_t now_ns) {
    if (is_open(now_ns)) return false;
    if (++failures_in_a_row_ < parameters_.failure_count) return false;
    failures_in_a_row_ = parameters_.failure_count - 1;  // the next failure opens it again
    open_until_ns_ = now_ns + next_open_ns_;
    next_open_ns_ = std::min(next_open_ns_ * 2, parameters_.open_ns_max);
    return true;
  }
  // True when this success ended a series that had opened the breaker.
  bool OnSuccess() {
    const bool was_tripped = open_until_ns_ != 0;
    failures_in_a_row_ = 0;
    next_open_ns_ = parameters_.open_ns;
    open_until_ns_ = 0;
    return was_tripped;
  }

  bool is_open(int64_t now_ns) const { return now_ns < open_until_ns_; }
  int64_t open_until_ns() const { return open_until_ns_; }
  int32_t failures_in_a_row() const { return failures_in_a_row_; }

 private:
  Parameters parameters_;
  int64_t next_open_ns_;
  int64_t open_until_ns_ = 0;
  int32_t failures_in_a_row_ = 0;
};

}  // namespace holdfast
