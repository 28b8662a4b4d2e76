#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace holdfast {

// Counts durations in log-linear buckets: 32 per octave, so a percentile is at most 3.2 % too high,
// from 0 ns to 2^42 ns (73 minutes; longer counts as that). Fixed memory, no allocation, one
// thread.
class LatencyHistogram {
 public:
  void Record(int64_t latency_ns) {
    const uint64_t value =
        std::min<uint64_t>(static_cast<uint64_t>(std::max<int64_t>(latency_ns, 0)), kMaxValue);
    ++counts_[IndexOf(value)];
    ++count_;
    max_ns_ = std::max(max_ns_, static_cast<int64_t>(value));
  }

  // Upper edge of the bucket that holds the given quantile, 0 < quantile <= 1; 0 when empty.
  int64_t QuantileNs(double quantile) const {
    if (count_ == 0) return 0;
    const uint64_t rank =
        std::max<uint64_t>(1, static_cast<uint64_t>(quantile * static_cast<double>(count_) + 0.5));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(static_cast<int64_t>(UpperEdge(i)), max_ns_);
    }
    return max_ns_;
  }

  void Merge(const LatencyHistogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
  }
  void Clear() { *this = LatencyHistogram(); }
  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_ns_; }

 private:
  static constexpr int kSubBits = 5;
  static constexpr int kMaxBits = 42;
  static constexpr uint64_t kMaxValue = (uint64_t{1} << kMaxBits) - 1;

  static constexpr size_t IndexOf(uint64_t value) {
    const int width = std::bit_width(value);
    if (width <= kSubBits + 1) return value;
    const int shift = width - kSubBits - 1;
    return (static_cast<size_t>(shift) << kSubBits) + static_cast<size_t>(value >> shift);
  }
  static constexpr uint64_t UpperEdge(size_t index) {
    if (index < (size_t{2} << kSubBits)) return index;
    const size_t shift = (index >> kSubBits) - 1;
    const uint64_t mantissa = index - (shift << kSubBits);
    return ((mantissa + 1) << shift) - 1;
  }
  // IndexOf(kMaxValue) + 1.
  static constexpr size_t kBucketCount = size_t{kMaxBits - kSubBits + 1} << kSubBits;

  std::array<uint64_t, kBucketCount> counts_ = {};
  uint64_t count_ = 0;
  int64_t max_ns_ = 0;
};

}  // namespace holdfast
