#pragma once

#include <cstdint>
#include <optional>

namespace holdfast {

// Estimates how far a venue's wall clock is ahead of ours from request/answer pairs. The answer
// with the shortest round trip among the recent ones is believed: whatever the network adds can
// only lengthen a round trip, and the error of one sample is at most half of its own.
class ClockOffsetEstimator {
 public:
  static constexpr int kWindow = 8;  // samples remembered

  // `sent_wall_ns` on our wall clock; the round trip is measured on the monotonic clock.
  void AddSample(int64_t sent_wall_ns, int64_t round_trip_ns, int64_t venue_time_ns);
  // Forgets everything learned.
  void Clear();
  // Our clock was set, or the venue says we are off: there is no estimate until the next sample.
  // The offset stays what it was, for want of anything better.
  void Distrust();

  bool has_estimate() const { return best_.has_value(); }
  // Venue clock minus ours; 0 before the first sample.
  int64_t offset_ns() const { return best_ ? best_->offset_ns : last_offset_ns_; }
  int64_t round_trip_ns() const { return best_ ? best_->round_trip_ns : 0; }

 private:
  struct Sample {
    int64_t offset_ns;
    int64_t round_trip_ns;
  };
  Sample samples_[kWindow] = {};
  int64_t sample_count_ = 0;
  std::optional<Sample> best_;
  int64_t last_offset_ns_ = 0;  // while there is no estimate
};

}  // namespace holdfast
