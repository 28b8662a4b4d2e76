#include "engine/market/average_true_range.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kMinBarLengthNs = 1'000'000'000;
constexpr int64_t kMaxBarLengthNs = int64_t{86'400} * 1'000'000'000;
constexpr int32_t kMaxPeriod = 100'000;

absl::Status OutOfRange(const char* key, int64_t value, int64_t low, int64_t high) {
  return absl::InvalidArgumentError(absl::StrCat("average_true_range: key=", key, " value=", value,
                                                 " expected=", low, "..", high));
}

}  // namespace

absl::Status AverageTrueRange::Validate(const Parameters& parameters) {
  if (parameters.bar_length_ns < kMinBarLengthNs || parameters.bar_length_ns > kMaxBarLengthNs) {
    return OutOfRange("bar_length_ns", parameters.bar_length_ns, kMinBarLengthNs, kMaxBarLengthNs);
  }
  if (parameters.period < 1 || parameters.period > kMaxPeriod) {
    return OutOfRange("period", parameters.period, 1, kMaxPeriod);
  }
  if (parameters.baseline_period < parameters.period || parameters.baseline_period > kMaxPeriod) {
    return OutOfRange("baseline_period", parameters.baseline_period, parameters.period, kMaxPeriod);
  }
  if (parameters.max_empty_bars < 0 || parameters.max_empty_bars > kMaxPeriod) {
    return OutOfRange("max_empty_bars", parameters.max_empty_bars, 0, kMaxPeriod);
  }
  if (parameters.configured_baseline.is_negative()) {
    return absl::InvalidArgumentError(
        absl::StrCat("average_true_range: key=configured_baseline value=",
                     parameters.configured_baseline.ToText(), " expected=>= 0"));
  }
  return absl::OkStatus();
}

AverageTrueRange::AverageTrueRange(const Parameters& parameters) : parameters_(parameters) {
  HF_ASSERT(Validate(parameters).ok());
  state_.bar_length_ns = parameters.bar_length_ns;
  state_.period = parameters.period;
  state_.baseline_period = parameters.baseline_period;
}

void AverageTrueRange::StartBar(int64_t ticks, int64_t time_ns) {
  const int64_t bar_index = time_ns / parameters_.bar_length_ns;
  if (state_.has_bar) CloseBarsBefore(bar_index);
  state_.is_bar_complete = state_.has_previous_close;
  state_.has_bar = true;
  state_.bar_index = bar_index;
  state_.high_ticks = ticks;
  state_.low_ticks = ticks;
  state_.close_ticks = ticks;
  bar_end_ns_ = (bar_index + 1) * parameters_.bar_length_ns;
}

void AverageTrueRange::CloseBarsBefore(int64_t bar_index) {
  HF_ASSERT(bar_index > state_.bar_index);
  const int64_t empty_bar_count = bar_index - state_.bar_index - 1;
  if (empty_bar_count > parameters_.max_empty_bars) {
    // The bar that was cut short by the outage is not counted either.
    state_.has_previous_close = false;
    return;
  }
  if (state_.is_bar_complete && state_.has_previous_close) {
    Count(std::max(state_.high_ticks, state_.previous_close_ticks) -
          std::min(state_.low_ticks, state_.previous_close_ticks));
  }
  for (int64_t i = 0; i < empty_bar_count; ++i) Count(0);
  state_.previous_close_ticks = state_.close_ticks;
  state_.has_previous_close = true;
  UpdateRatio();
}

void AverageTrueRange::Count(int64_t true_range_ticks) {
  const int64_t scaled = std::min(true_range_ticks, kMaxRangeTicks) << kScaleBits;
  const auto add = [this, scaled](int64_t& average, int32_t period) {
    if (state_.bar_count < period) {
      // Until warm this is the sum; it saturates rather than overflows.
      if (__builtin_add_overflow(average, scaled, &average)) average = INT64_MAX;
      if (state_.bar_count + 1 == period) average /= period;
    } else {
      average += (scaled - average) / period;
    }
  };
  add(state_.scaled_average, parameters_.period);
  add(state_.scaled_baseline, parameters_.baseline_period);
  ++state_.bar_count;
}

int64_t AverageTrueRange::ScaledMean(int64_t scaled, int32_t period) const {
  if (state_.bar_count == 0) return 0;
  return state_.bar_count < period ? scaled / state_.bar_count : scaled;
}

Decimal AverageTrueRange::average() const {
  const __int128 scaled = ScaledMean(state_.scaled_average, parameters_.period);
  return Decimal::FromUnits(Decimal::Checked(
      DivideRounded(scaled * Decimal::kUnitsPerOne, int64_t{1} << kScaleBits, Rounding::kNearest)));
}

Decimal AverageTrueRange::baseline() const {
  if (parameters_.configured_baseline.is_positive()) return parameters_.configured_baseline;
  const __int128 scaled = ScaledMean(state_.scaled_baseline, parameters_.baseline_period);
  return Decimal::FromUnits(Decimal::Checked(
      DivideRounded(scaled * Decimal::kUnitsPerOne, int64_t{1} << kScaleBits, Rounding::kNearest)));
}

void AverageTrueRange::UpdateRatio() {
  ratio_ = Decimal::FromInteger(1);
  if (!is_average_warm() || !is_baseline_warm()) return;
  const Decimal base = baseline();
  if (!base.is_positive()) return;
  // A tiny configured baseline must not overflow: everything above the cap is clamped anyway.
  const Decimal cap = Decimal::FromInteger(1'000'000);
  const __int128 ratio =
      DivideRounded(static_cast<__int128>(average().units()) * Decimal::kUnitsPerOne, base.units(),
                    Rounding::kNearest);
  ratio_ = ratio > cap.units() ? cap : Decimal::FromUnits(static_cast<int64_t>(ratio));
}

absl::Status AverageTrueRange::Restore(const State& state) {
  if (state.bar_length_ns != parameters_.bar_length_ns || state.period != parameters_.period ||
      state.baseline_period != parameters_.baseline_period) {
    return absl::FailedPreconditionError(absl::StrCat(
        "average_true_range: state of other parameters: bar_length_ns=", state.bar_length_ns,
        " period=", state.period, " baseline_period=", state.baseline_period));
  }
  const auto is_price = [](int64_t ticks) { return ticks > 0; };
  const bool is_bar_sane =
      !state.has_bar ||
      (is_price(state.low_ticks) && is_price(state.high_ticks) &&
       state.low_ticks <= state.close_ticks && state.close_ticks <= state.high_ticks &&
       state.bar_index >= 0 && state.bar_index < INT64_MAX / parameters_.bar_length_ns - 1);
  const bool is_close_sane =
      !state.has_previous_close || (state.has_bar && is_price(state.previous_close_ticks));
  const bool are_averages_sane =
      state.bar_count >= 0 && state.scaled_average >= 0 && state.scaled_baseline >= 0;
  if (!is_bar_sane || !is_close_sane || !are_averages_sane) {
    return absl::InvalidArgumentError(
        absl::StrCat("average_true_range: damaged state: bar_index=", state.bar_index,
                     " high_ticks=", state.high_ticks, " low_ticks=", state.low_ticks,
                     " close_ticks=", state.close_ticks, " bar_count=", state.bar_count));
  }
  state_ = state;
  bar_end_ns_ = state.has_bar ? (state.bar_index + 1) * parameters_.bar_length_ns : 0;
  UpdateRatio();
  return absl::OkStatus();
}

}  // namespace holdfast
