// Proves that workflows keep every promise through crashes at each moment of each write, late and
// lost answers, and outages: thousands of schedules of the real runtime in virtual time, each from
// one seed. HOLDFAST_SCHEDULES sets how many, HOLDFAST_SEED runs one schedule alone.
#include "tests/workflows/simulation/runtime_simulation.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <set>

namespace holdfast::workflows {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kScheduleCount = 3'000;
#else
constexpr uint64_t kScheduleCount = 100'000;
#endif

TEST_CASE("simulation: every schedule ends with every promise kept", "[simulation]") {
  const uint64_t seed = FromEnvironment("HOLDFAST_SEED", 0);
  const uint64_t count = seed != 0 ? 1 : FromEnvironment("HOLDFAST_SCHEDULES", kScheduleCount);
  ScheduleResult total;
  for (uint64_t i = 1; i <= count; ++i) {
    const ScheduleOptions options = ScheduleOptions::FromSeed(seed != 0 ? seed : i);
    const ScheduleResult result = RunSchedule(options);
    if (!result.failure.empty()) {
      FAIL("schedule " << options.ToText() << ": " << result.failure
                       << "\nrun it alone with HOLDFAST_SEED=" << options.seed);
    }
    for (const auto& [place, crashes] : result.crashes_by_place) {
      total.crashes_by_place[place] += crashes;
    }
    total.turn_count += result.turn_count;
    total.body_count += result.body_count;
    total.repeated_count += result.repeated_count;
  }
  std::cout << count << " schedules, " << total.turn_count << " turns, " << total.body_count
            << " step bodies, " << total.repeated_count << " of them again after a crash\n";
  for (const auto& [place, crashes] : total.crashes_by_place) {
    std::cout << "  crashed " << crashes << " times: " << place << "\n";
  }
  if (count >= 1'000) {
    // Each kind of write, at each of its moments.
    for (const char* write : {"start", "commit", "finish", "claim", "adopt", "register", "renew"}) {
      for (const char* moment : {" sent", " durable", " answered"}) {
        INFO(write << moment);
        CHECK(total.crashes_by_place[std::string(write) + moment] > 0);
      }
    }
    CHECK(total.repeated_count > 0);
  }
}

TEST_CASE("simulation: a seed gives the same schedule again", "[simulation]") {
  std::set<uint64_t> digests;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const ScheduleOptions options = ScheduleOptions::FromSeed(seed);
    const ScheduleResult first = RunSchedule(options);
    const ScheduleResult second = RunSchedule(options);
    CHECK(first.digest == second.digest);
    CHECK(first.turn_count == second.turn_count);
    digests.insert(first.digest);
  }
  CHECK(digests.size() > 45);
}

}  // namespace
}  // namespace holdfast::workflows
