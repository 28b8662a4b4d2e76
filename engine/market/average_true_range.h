#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/base/decimal.h"
#include "engine/market/price.h"

namespace holdfast {

// Average true range of one instrument, in ticks, from a stream of prices; integers only, so that
// the same prices give the same ratio on every machine.
//
// Bars are closed by time: bar k covers [k, k+1) x bar length since the epoch. True range of a
// closed bar = max(high, previous close) - min(low, previous close). Both averages are the mean of
// their first n bars and Wilder's smoothing from then on: average += (range - average) / n; each is
// warm once it has seen n bars.
//
// Empty bars: a price that did not move for a while is calm, so each bar without a price counts as
// a range of 0. A silence of more than `max_empty_bars` is an outage (we were down, the feed was
// down): nothing is counted for it, and the previous close is forgotten, so that the move across
// the gap is not taken for one bar's range. The first bar after the start or an outage began in the
// middle: it only provides the previous close.
//
// A time that goes back is taken as the current bar's. One thread; OnPrice() is for the hot path:
// two comparisons within a bar, no allocation.
class AverageTrueRange {
 public:
  // Averages are kept as ticks x 2^20.
  static constexpr int kScaleBits = 20;
  // A single range counts as at most this, so that averages always fit.
  static constexpr int64_t kMaxRangeTicks = int64_t{1} << 36;

  struct Parameters {
    int64_t bar_length_ns = 60'000'000'000;
    int32_t period = 14;
    int32_t baseline_period = 1440;  // 24 h of 1 m bars
    int32_t max_empty_bars = 14;
    // In ticks; positive: use it instead of measuring a baseline.
    Decimal configured_baseline;
    friend bool operator==(const Parameters&, const Parameters&) = default;
  };

  // Everything that must survive a restart, as plain values.
  struct State {
    bool has_bar = false;
    bool is_bar_complete = false;  // its beginning was seen
    bool has_previous_close = false;
    int64_t bar_index = 0;
    int64_t high_ticks = 0;
    int64_t low_ticks = 0;
    int64_t close_ticks = 0;
    int64_t previous_close_ticks = 0;
    int64_t bar_count = 0;        // true ranges counted so far
    int64_t scaled_average = 0;   // while not warm: the scaled sum
    int64_t scaled_baseline = 0;  // likewise
    // The parameters it was made under; a change makes the state useless.
    int64_t bar_length_ns = 0;
    int32_t period = 0;
    int32_t baseline_period = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  // REQUIRES: Validate(parameters) is OK.
  explicit AverageTrueRange(const Parameters& parameters);
  static absl::Status Validate(const Parameters& parameters);

  // REQUIRES: price > 0, time_ns >= 0.
  void OnPrice(Price price, int64_t time_ns) {
    const int64_t ticks = price.ticks();
    HF_ASSERT(ticks > 0);
    HF_ASSERT(time_ns >= 0);
    if (time_ns >= bar_end_ns_) StartBar(ticks, time_ns);
    if (ticks > state_.high_ticks) state_.high_ticks = ticks;
    if (ticks < state_.low_ticks) state_.low_ticks = ticks;
    state_.close_ticks = ticks;
  }

  bool is_average_warm() const { return state_.bar_count >= parameters_.period; }
  bool is_baseline_warm() const {
    return parameters_.configured_baseline.is_positive() ||
           state_.bar_count >= parameters_.baseline_period;
  }
  // In ticks; zero until the first bar closed. Not yet warm: the mean so far.
  Decimal average() const;
  Decimal baseline() const;
  // average / baseline, to 10^-8; exactly 1 until both are warm, or while the baseline is zero.
  // Not clamped: whoever uses it does.
  Decimal ratio() const { return ratio_; }

  const State& state() const { return state_; }
  // Goes on from a stored state. kInvalidArgument for values that cannot be a state, and
  // kFailedPrecondition for a state of other parameters; this object is unchanged then.
  absl::Status Restore(const State& state);

 private:
  void StartBar(int64_t ticks, int64_t time_ns);
  // Closes the current bar and counts the empty ones up to `bar_index`, or notices an outage.
  void CloseBarsBefore(int64_t bar_index);
  void Count(int64_t true_range_ticks);
  void UpdateRatio();
  int64_t ScaledMean(int64_t scaled, int32_t period) const;

  Parameters parameters_;
  State state_;
  int64_t bar_end_ns_ = 0;  // of the current bar; 0 = none yet
  Decimal ratio_ = Decimal::FromInteger(1);
};

}  // namespace holdfast
