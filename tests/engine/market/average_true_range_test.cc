// Proves that the average true range is Wilder's, bar by bar, on worked numbers and against a plain
// reference in floating point; that calm and outage are told apart; and that a stored state goes on
// as if nothing had happened.

#include "engine/market/average_true_range.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/prng.h"

namespace holdfast {
namespace {

using namespace literals;

constexpr int64_t kBar = 60 * kNanosPerSecond;
constexpr int64_t kStart = 1'700'000'040 * kNanosPerSecond;  // a bar boundary
static_assert(kStart % kBar == 0);

AverageTrueRange::Parameters Small() {
  AverageTrueRange::Parameters parameters;
  parameters.period = 3;
  parameters.baseline_period = 6;
  parameters.max_empty_bars = 4;
  return parameters;
}

// Bar `index` after the start goes low, high, close.
void FeedBar(AverageTrueRange& atr, int64_t index, int64_t low, int64_t high, int64_t close) {
  const int64_t time_ns = kStart + index * kBar;
  atr.OnPrice(Price::FromTicks(low), time_ns + 1 * kNanosPerSecond);
  atr.OnPrice(Price::FromTicks(high), time_ns + 2 * kNanosPerSecond);
  atr.OnPrice(Price::FromTicks(close), time_ns + 3 * kNanosPerSecond);
}

// A bar that moves by `range` and closes where the last one did.
void FeedRange(AverageTrueRange& atr, int64_t index, int64_t range) {
  FeedBar(atr, index, 1000 - range, 1000, 1000);
}

}  // namespace

TEST_CASE("atr: mean of the first bars, then Wilder's smoothing", "[market][atr]") {
  AverageTrueRange atr(Small());
  FeedRange(atr, 0, 99);  // began in the middle: only its close counts
  FeedRange(atr, 1, 10);
  FeedRange(atr, 2, 20);
  CHECK(atr.state().bar_count == 1);
  CHECK(atr.average() == 10_dec);
  FeedRange(atr, 3, 60);
  CHECK_FALSE(atr.is_average_warm());
  FeedRange(atr, 4, 0);
  CHECK(atr.is_average_warm());
  CHECK(atr.average() == 30_dec);  // (10 + 20 + 60) / 3
  FeedRange(atr, 5, 0);
  CHECK(atr.average() == 20_dec);  // 30 + (0 - 30) / 3
  CHECK(atr.ratio() == 1_dec);
  FeedRange(atr, 6, 0);
  FeedRange(atr, 7, 0);
  // Six bars counted: 10 20 60 0 0 0. Average 30, 20, 13.33, 8.89; baseline 15.
  CHECK(atr.is_baseline_warm());
  CHECK(atr.baseline() == 15_dec);
  CHECK(atr.average().ToDouble() == Approx(80.0 / 9).epsilon(1e-6));
  CHECK(atr.ratio().ToDouble() == Approx(80.0 / 135).epsilon(1e-6));
}

TEST_CASE("atr: the true range includes the gap from the previous close", "[market][atr]") {
  AverageTrueRange atr(Small());
  FeedBar(atr, 0, 1000, 1000, 1000);
  FeedBar(atr, 1, 1050, 1060, 1055);  // gap up: 1060 - 1000
  FeedBar(atr, 2, 1000, 1010, 1005);  // gap down: 1055 - 1000
  FeedBar(atr, 3, 1005, 1005, 1005);
  CHECK(atr.state().bar_count == 2);
  CHECK(atr.average() == 57.5_dec);
}

TEST_CASE("atr: empty bars are calm, a long silence is an outage", "[market][atr]") {
  AverageTrueRange calm(Small());
  FeedRange(calm, 0, 0);
  FeedRange(calm, 1, 30);
  FeedRange(calm, 6, 0);  // bars 2..5 had no price
  CHECK(calm.state().bar_count == 5);
  FeedRange(calm, 7, 0);
  // 30 0 0 | 0 0 0: mean 10, then three times two thirds of it.
  CHECK(calm.average().ToDouble() == Approx(10.0 * 8 / 27).epsilon(1e-5));

  AverageTrueRange outage(Small());
  FeedRange(outage, 0, 0);
  FeedRange(outage, 1, 30);
  FeedRange(outage, 2, 30);
  FeedBar(outage, 8, 5000, 5010, 5005);  // five bars of silence: bar 2 was cut short as well
  CHECK(outage.state().bar_count == 1);
  FeedBar(outage, 9, 5005, 5008, 5005);
  CHECK(outage.state().bar_count == 1);  // bar 8 began in the middle
  FeedBar(outage, 10, 5005, 5005, 5005);
  CHECK(outage.state().bar_count == 2);
  CHECK(outage.average() == 16.5_dec);  // 30 and 3: the jump to 5000 is nobody's range
}

TEST_CASE("atr: a clock that goes back stays in the bar", "[market][atr]") {
  AverageTrueRange atr(Small());
  FeedRange(atr, 0, 0);
  FeedRange(atr, 5, 0);
  const int64_t bar_index = atr.state().bar_index;
  atr.OnPrice(Price::FromTicks(900), kStart);
  CHECK(atr.state().bar_index == bar_index);
  CHECK(atr.state().low_ticks == 900);
}

TEST_CASE("atr: a configured baseline replaces the long window", "[market][atr]") {
  AverageTrueRange::Parameters parameters = Small();
  parameters.configured_baseline = 20_dec;
  AverageTrueRange atr(parameters);
  CHECK(atr.is_baseline_warm());
  for (int i = 0; i <= 3; ++i) FeedRange(atr, i, 50);
  CHECK(atr.ratio() == 1_dec);  // the short window is not warm yet
  FeedRange(atr, 4, 50);
  CHECK(atr.ratio() == 2.5_dec);
}

TEST_CASE("atr: a dead market has ratio one, not a division by zero", "[market][atr]") {
  AverageTrueRange atr(Small());
  for (int i = 0; i < 20; ++i) FeedRange(atr, i, 0);
  CHECK(atr.is_baseline_warm());
  CHECK(atr.baseline().is_zero());
  CHECK(atr.ratio() == 1_dec);
}

TEST_CASE("atr: absurd ranges saturate", "[market][atr]") {
  AverageTrueRange atr(Small());
  for (int i = 0; i < 20; ++i) FeedBar(atr, i, 1, INT64_MAX, 1);
  CHECK(atr.average().is_positive());
  CHECK(atr.ratio() == 1_dec);
}

TEST_CASE("atr: agrees with a plain reference", "[market][atr]") {
  const uint64_t seed = 7;
  INFO("seed " << seed);
  Prng prng(seed);
  AverageTrueRange::Parameters parameters;
  parameters.baseline_period = 200;
  AverageTrueRange atr(parameters);
  double average = 0;
  double baseline = 0;
  int64_t price = 6'000'000;
  int64_t previous_close = 0;
  int count = 0;
  for (int bar = 0; bar < 1000; ++bar) {
    int64_t high = 0;
    int64_t low = INT64_MAX;
    for (int i = 0; i < 20; ++i) {
      price += prng.Between(-500, 500);
      high = std::max(high, price);
      low = std::min(low, price);
      atr.OnPrice(Price::FromTicks(price), kStart + bar * kBar + i * kNanosPerSecond);
    }
    // The bar before this one was closed by this one's first price.
    if (count > 0) {
      REQUIRE(atr.average().ToDouble() == Approx(average).epsilon(1e-5));
      REQUIRE(atr.baseline().ToDouble() == Approx(baseline).epsilon(1e-5));
      if (count >= 200) REQUIRE(atr.ratio().ToDouble() == Approx(average / baseline).epsilon(1e-5));
    }
    if (bar > 0) {
      const double range =
          static_cast<double>(std::max(high, previous_close) - std::min(low, previous_close));
      ++count;
      average += (range - average) / std::min(count, 14);
      baseline += (range - baseline) / std::min(count, 200);
    }
    previous_close = price;
  }
}

TEST_CASE("atr: a restored state goes on as if nothing had happened", "[market][atr]") {
  const uint64_t seed = 8;
  INFO("seed " << seed);
  Prng prng(seed);
  AverageTrueRange original(Small());
  AverageTrueRange restored(Small());
  int64_t time_ns = kStart;
  int64_t price = 100'000;
  for (int i = 0; i < 3000; ++i) {
    time_ns += prng.Between(0, 20) * kNanosPerSecond;
    if (prng.Chance(1, 200)) time_ns += prng.Between(1, 10) * kBar;
    price = std::max<int64_t>(1, price + prng.Between(-50, 50));
    original.OnPrice(Price::FromTicks(price), time_ns);
    restored.OnPrice(Price::FromTicks(price), time_ns);
    REQUIRE(original.state() == restored.state());
    REQUIRE(original.ratio() == restored.ratio());
    if (prng.Chance(1, 10)) {
      AverageTrueRange next(Small());
      REQUIRE(next.Restore(original.state()).ok());
      restored = next;
      REQUIRE(restored.ratio() == original.ratio());
    }
  }
}

TEST_CASE("atr: a state of other parameters or with impossible values is refused",
          "[market][atr]") {
  AverageTrueRange source(Small());
  for (int i = 0; i < 10; ++i) FeedRange(source, i, 10);
  const AverageTrueRange::State good = source.state();
  AverageTrueRange atr(Small());
  const AverageTrueRange::State untouched = atr.state();
  for (int field = 0; field < 3; ++field) {
    AverageTrueRange::State state = good;
    if (field == 0) state.period = 4;
    if (field == 1) state.baseline_period = 7;
    if (field == 2) state.bar_length_ns = kBar * 2;
    CHECK(atr.Restore(state).code() == absl::StatusCode::kFailedPrecondition);
  }
  for (int field = 0; field < 7; ++field) {
    AverageTrueRange::State state = good;
    if (field == 0) state.low_ticks = 0;
    if (field == 1) state.high_ticks = state.low_ticks - 1;
    if (field == 2) state.close_ticks = state.high_ticks + 1;
    if (field == 3) state.bar_index = -1;
    if (field == 4) state.bar_count = -1;
    if (field == 5) state.scaled_average = -1;
    if (field == 6) state.previous_close_ticks = 0;
    INFO("field " << field);
    CHECK(atr.Restore(state).code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK(atr.state() == untouched);
  CHECK(atr.Restore(good).ok());
}

TEST_CASE("atr: parameters out of range are refused with key and range", "[market][atr]") {
  struct Case {
    const char* key;
    AverageTrueRange::Parameters parameters;
  };
  std::vector<Case> cases;
  const auto add = [&](const char* key, auto spoil) {
    Case bad = {key, {}};
    spoil(bad.parameters);
    cases.push_back(bad);
  };
  add("bar_length_ns", [](auto& p) { p.bar_length_ns = 0; });
  add("bar_length_ns", [](auto& p) { p.bar_length_ns = INT64_MAX; });
  add("period", [](auto& p) { p.period = 0; });
  add("baseline_period", [](auto& p) { p.baseline_period = p.period - 1; });
  add("max_empty_bars", [](auto& p) { p.max_empty_bars = -1; });
  add("configured_baseline", [](auto& p) { p.configured_baseline = -1_dec; });
  for (const Case& bad : cases) {
    const absl::Status status = AverageTrueRange::Validate(bad.parameters);
    INFO(status.message());
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(status.message()).find("key=" + std::string(bad.key)) != std::string::npos);
  }
  CHECK(AverageTrueRange::Validate({}).ok());
}

}  // namespace holdfast
