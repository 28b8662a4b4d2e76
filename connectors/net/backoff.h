#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/assert.h"
#include "engine/base/prng.h"

namespace holdfast {

// Delays between attempts: exponential with full jitter. Attempt n waits a uniformly random time
// between `min_ns` and min(max_ns, initial_ns * 2^n), so that many clients cut off together don't
// come back together.
class Backoff {
 public:
  struct Options {
    int64_t min_ns = 1'000'000;
    int64_t initial_ns = 100'000'000;
    int64_t max_ns = 30'000'000'000;
  };

  Backoff(Options options, Prng& prng) : options_(options), prng_(prng) {
    HF_ASSERT(0 < options.min_ns);
    HF_ASSERT(options.min_ns <= options.initial_ns);
    HF_ASSERT(options.initial_ns <= options.max_ns);
  }

  int64_t NextDelayNs() {
    const int64_t ceiling_ns = CeilingNs();
    ++attempt_count_;
    return prng_.Between(options_.min_ns, ceiling_ns);
  }
  // After a success.
  void Reset() { attempt_count_ = 0; }
  int64_t attempt_count() const { return attempt_count_; }

 private:
  int64_t CeilingNs() const {
    int64_t ceiling_ns = options_.initial_ns;
    for (int64_t i = 0; i < attempt_count_ && ceiling_ns < options_.max_ns; ++i) ceiling_ns *= 2;
    return std::min(ceiling_ns, options_.max_ns);
  }

  const Options options_;
  Prng& prng_;
  int64_t attempt_count_ = 0;
};

}  // namespace holdfast
