#include "connectors/net/clock_offset.h"

#include <algorithm>

namespace holdfast {

void ClockOffsetEstimator::AddSample(int64_t sent_wall_ns, int64_t round_trip_ns,
                                     int64_t venue_time_ns) {
  if (round_trip_ns < 0) return;
  samples_[sample_count_ % kWindow] = {
      .offset_ns = venue_time_ns - (sent_wall_ns + round_trip_ns / 2),
      .round_trip_ns = round_trip_ns,
  };
  ++sample_count_;
  const int64_t count = std::min<int64_t>(sample_count_, kWindow);
  best_ = *std::min_element(samples_, samples_ + count, [](const Sample& a, const Sample& b) {
    return a.round_trip_ns < b.round_trip_ns;
  });
}

void ClockOffsetEstimator::Clear() {
  sample_count_ = 0;
  best_.reset();
  last_offset_ns_ = 0;
}

void ClockOffsetEstimator::Distrust() {
  const int64_t offset_ns = this->offset_ns();
  Clear();
  last_offset_ns_ = offset_ns;
}

}  // namespace holdfast
