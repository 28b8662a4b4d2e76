#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {

// Allows `per_second` events a second on average and `burst` at once. Exact integers: tokens are
// kept in units of 10^-9. Time is monotonic nanoseconds; a time that does not move adds nothing.
class TokenBucket {
 public:
  // REQUIRES: per_second > 0, burst > 0. Starts full.
  TokenBucket(int64_t per_second, int64_t burst)
      : per_second_(per_second), capacity_(burst * kNanosPerSecond), tokens_(capacity_) {
    HF_ASSERT(per_second > 0);
    HF_ASSERT(burst > 0);
  }

  bool HasToken(int64_t now_ns) {
    Refill(now_ns);
    return tokens_ >= kNanosPerSecond;
  }
  // REQUIRES: HasToken() just said so.
  void Take() {
    HF_ASSERT(tokens_ >= kNanosPerSecond);
    tokens_ -= kNanosPerSecond;
  }

 private:
  void Refill(int64_t now_ns) {
    if (now_ns <= last_ns_) return;
    // A long pause fills the bucket; more would overflow.
    const int64_t elapsed_ns = std::min(now_ns - last_ns_, capacity_ / per_second_ + 1);
    tokens_ = std::min(capacity_, tokens_ + elapsed_ns * per_second_);
    last_ns_ = now_ns;
  }

  int64_t per_second_;
  int64_t capacity_;
  int64_t tokens_;
  int64_t last_ns_ = 0;
};

}  // namespace holdfast
