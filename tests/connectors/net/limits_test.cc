// Proves the back-off, the clock offset and the rate budgets by stepping time by hand.

#include <catch2/catch.hpp>

#include "connectors/net/backoff.h"
#include "connectors/net/clock_offset.h"
#include "connectors/net/rate_budget.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

constexpr int64_t kMinute = 60 * kNanosPerSecond;
constexpr int64_t kNow = 1'700'000'000 * kNanosPerSecond / kMinute * kMinute;

TEST_CASE("back-off: each delay is random below a doubling, bounded ceiling", "[net][backoff]") {
  Prng prng(7);
  const Backoff::Options options = {.min_ns = 10, .initial_ns = 1000, .max_ns = 60'000};
  int64_t largest_first = 0;
  int64_t smallest_first = INT64_MAX;
  for (int run = 0; run < 2000; ++run) {
    Backoff backoff(options, prng);
    int64_t ceiling = 1000;
    for (int attempt = 0; attempt < 12; ++attempt) {
      const int64_t delay = backoff.NextDelayNs();
      REQUIRE(delay >= options.min_ns);
      REQUIRE(delay <= ceiling);
      if (attempt == 0) {
        largest_first = std::max(largest_first, delay);
        smallest_first = std::min(smallest_first, delay);
      }
      ceiling = std::min<int64_t>(ceiling * 2, options.max_ns);
    }
    backoff.Reset();
    REQUIRE(backoff.NextDelayNs() <= 1000);
  }
  // Full jitter: the whole range is used, not a band round the ceiling.
  CHECK(smallest_first < 30);
  CHECK(largest_first > 980);
}

TEST_CASE("back-off: years of failures stay bounded", "[net][backoff]") {
  Prng prng(1);
  Backoff backoff({.min_ns = 1, .initial_ns = kNanosPerSecond, .max_ns = kMinute}, prng);
  for (int attempt = 0; attempt < 100'000; ++attempt) REQUIRE(backoff.NextDelayNs() <= kMinute);
}

TEST_CASE("clock offset: the sample with the shortest round trip is believed", "[net][clock]") {
  ClockOffsetEstimator estimator;
  CHECK_FALSE(estimator.has_estimate());
  CHECK(estimator.offset_ns() == 0);
  // The venue is 500 ahead; the answer took 40 of 100 to get there.
  estimator.AddSample(1000, 100, 1000 + 40 + 500);
  CHECK(estimator.offset_ns() == 490);
  estimator.AddSample(2000, 20, 2000 + 10 + 500);
  CHECK(estimator.offset_ns() == 500);
  CHECK(estimator.round_trip_ns() == 20);
  estimator.AddSample(3000, 1000, 3000 + 900 + 500);  // a slow one teaches nothing
  CHECK(estimator.offset_ns() == 500);
  estimator.AddSample(3000, -1, 0);  // nonsense is ignored
  CHECK(estimator.offset_ns() == 500);
}

TEST_CASE("clock offset: old samples leave, and a clear forgets everything", "[net][clock]") {
  ClockOffsetEstimator estimator;
  estimator.AddSample(0, 1, 500);
  for (int i = 0; i < ClockOffsetEstimator::kWindow; ++i) estimator.AddSample(0, 50, 25 + 700);
  CHECK(estimator.offset_ns() == 700);
  estimator.Clear();
  CHECK_FALSE(estimator.has_estimate());
}

RateBudgetTracker MakeTracker() {
  RateBudgetTracker tracker(200'000);  // a fifth for cancels
  tracker.Configure({BudgetKind::kRequestWeight, kMinute, 100});
  tracker.Configure({BudgetKind::kOrderCount, 10 * kNanosPerSecond, 10});
  tracker.Configure({BudgetKind::kOrderCount, 86'400 * kNanosPerSecond, 1000});
  return tracker;
}

TEST_CASE("clock offset: distrust leaves no estimate but the last offset", "[net][clock]") {
  ClockOffsetEstimator estimator;
  estimator.AddSample(0, 10, 1005);
  REQUIRE(estimator.offset_ns() == 1000);
  estimator.Distrust();
  estimator.Distrust();
  CHECK_FALSE(estimator.has_estimate());
  CHECK(estimator.offset_ns() == 1000);
  // A worse round trip than the one before counts all the same: that one is forgotten.
  estimator.AddSample(0, 100, 2050);
  CHECK(estimator.has_estimate());
  CHECK(estimator.offset_ns() == 2000);
}

TEST_CASE("rate budget: placements stop at the reserve, cancels go on to the limit",
          "[net][budget]") {
  RateBudgetTracker tracker = MakeTracker();
  tracker.Charge(BudgetKind::kRequestWeight, 79, kNow);
  CHECK(tracker.MayPlace(1, kNow));
  CHECK(tracker.PlacementRoom(1, kNow) == 1);
  CHECK(tracker.PlacementRoom(1, kNow + kMinute) == 10);  // the order count is the narrower one
  tracker.Charge(BudgetKind::kRequestWeight, 1, kNow);
  CHECK_FALSE(tracker.MayPlace(1, kNow));
  CHECK(tracker.PlacementRoom(1, kNow) == 0);
  CHECK_FALSE(tracker.MayQuery(1, kNow));
  CHECK(tracker.MayCancel(1, kNow));
  tracker.Charge(BudgetKind::kRequestWeight, 20, kNow);
  CHECK_FALSE(tracker.MayCancel(1, kNow));
  // The next window starts empty.
  CHECK(tracker.MayPlace(1, kNow + kMinute));
}

TEST_CASE("rate budget: queries that prove what rests may use half of the reserve",
          "[net][budget]") {
  RateBudgetTracker tracker = MakeTracker();
  const auto shortage = [&](QueryPurpose purpose, int64_t now_ns) {
    return tracker.QueryShortage(6, purpose, now_ns);
  };
  tracker.Charge(BudgetKind::kRequestWeight, 74, kNow);
  CHECK_FALSE(shortage(QueryPurpose::kOrdinary, kNow).has_value());
  tracker.Charge(BudgetKind::kRequestWeight, 1, kNow);
  const auto ordinary = shortage(QueryPurpose::kOrdinary, kNow);
  REQUIRE(ordinary.has_value());
  CHECK(ordinary->kind == BudgetKind::kRequestWeight);
  CHECK(ordinary->used == 75);
  CHECK(ordinary->limit == 100);
  CHECK(ordinary->window_end_ns == kNow + kMinute);
  CHECK_FALSE(shortage(QueryPurpose::kProof, kNow).has_value());
  tracker.Charge(BudgetKind::kRequestWeight, 9, kNow);
  CHECK_FALSE(shortage(QueryPurpose::kProof, kNow).has_value());
  tracker.Charge(BudgetKind::kRequestWeight, 1, kNow);
  CHECK(shortage(QueryPurpose::kProof, kNow).has_value());
  CHECK(tracker.MayCancel(15, kNow));  // the other half
  CHECK_FALSE(shortage(QueryPurpose::kOrdinary, kNow + kMinute).has_value());
}

TEST_CASE("rate budget: the order count limits placements only", "[net][budget]") {
  RateBudgetTracker tracker = MakeTracker();
  tracker.Charge(BudgetKind::kOrderCount, 10, kNow);
  CHECK_FALSE(tracker.MayPlace(1, kNow));
  CHECK(tracker.MayCancel(1, kNow));
  CHECK(tracker.MayQuery(1, kNow));
  CHECK(tracker.MayPlace(1, kNow + 10 * kNanosPerSecond));
  CHECK(tracker.UsageOf(BudgetKind::kOrderCount, kNow).used == 10);
  CHECK(tracker.UsageOf(BudgetKind::kOrderCount, kNow).limit == 10);
}

TEST_CASE("rate budget: the venue's own count wins over ours", "[net][budget]") {
  RateBudgetTracker tracker = MakeTracker();
  tracker.Charge(BudgetKind::kRequestWeight, 50, kNow);
  tracker.OnVenueCount(BudgetKind::kRequestWeight, kMinute, 95, kNow);
  CHECK_FALSE(tracker.MayPlace(1, kNow));
  tracker.OnVenueCount(BudgetKind::kRequestWeight, kMinute, 3, kNow);
  CHECK(tracker.MayPlace(1, kNow));
  CHECK(tracker.UsageOf(BudgetKind::kRequestWeight, kNow).used == 3);
  tracker.OnVenueCount(BudgetKind::kRequestWeight, 7, 1000, kNow);  // unknown window: ignored
  CHECK(tracker.MayPlace(1, kNow));
  // A lower limit announced later counts at once.
  tracker.Configure({BudgetKind::kRequestWeight, kMinute, 3});
  CHECK_FALSE(tracker.MayCancel(1, kNow));
}

TEST_CASE("rate budget: a refusal blocks everything and survives a restart", "[net][budget]") {
  RateBudgetTracker tracker = MakeTracker();
  tracker.Block(kNow + 5 * kNanosPerSecond, false);
  tracker.Block(kNow + 2 * kNanosPerSecond, false);  // never shortened
  CHECK(tracker.IsBlocked(kNow + 4 * kNanosPerSecond));
  tracker.Block(kNow + kMinute, true);
  const RateBlock stored = tracker.block();
  CHECK(stored.is_ban);

  RateBudgetTracker restarted = MakeTracker();
  restarted.ImportBlock(stored);
  CHECK(restarted.IsBlocked(kNow + kMinute - 1));
  CHECK_FALSE(restarted.IsBlocked(kNow + kMinute));
  CHECK(restarted.block() == stored);
}

TEST_CASE("rate budget: placements can be blocked alone", "[net][budget]") {
  RateBudgetTracker tracker = MakeTracker();
  tracker.BlockPlacements(kNow + kNanosPerSecond);
  CHECK(tracker.ArePlacementsBlocked(kNow));
  CHECK_FALSE(tracker.IsBlocked(kNow));
  CHECK_FALSE(tracker.ArePlacementsBlocked(kNow + kNanosPerSecond));
}

}  // namespace
}  // namespace holdfast
