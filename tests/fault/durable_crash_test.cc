// Proves that the durable runtime keeps its promises on a real PostgreSQL whatever dies: every
// workflow ends once with the right result, no step with a recorded outcome runs again, application
// SQL happens exactly once, nothing of a process that was stopped past its lease lands. How:
// several workers under load are killed and frozen, the server crashes, its connections break at
// arbitrary bytes; effects of steps are counted by a party of its own, and compared with the tables
// at the end.
//
// HOLDFAST_TEST_SEED chooses the seed, HOLDFAST_CRASH_KILLS how many workers are killed;
// HOLDFAST_CRASH_LIVE tells what happens as it does.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "engine/base/clock.h"
#include "tests/fault/durable_campaign.h"

namespace holdfast::testing {
namespace {

constexpr int kBoundedKills = 20;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_CASE("crash: whatever dies, every workflow ends once and no recorded step runs again",
          "[workflows][crash]") {
  CampaignOptions options;
  options.seed = FromEnvironment("HOLDFAST_TEST_SEED",
                                 static_cast<uint64_t>(SystemClock().WallNs()) % 1'000'000'000);
  options.kill_count = static_cast<int>(FromEnvironment("HOLDFAST_CRASH_KILLS", kBoundedKills));
  options.freeze_count = std::max(2, options.kill_count / 10);
  options.crash_count = std::max(2, options.kill_count / 25);
  options.is_told_live = std::getenv("HOLDFAST_CRASH_LIVE") != nullptr;
  options.worker_binary = HOLDFAST_DURABLE_WORKER_BINARY;
  std::printf("seed %llu: HOLDFAST_TEST_SEED=%llu chooses the same workload and faults\n",
              static_cast<unsigned long long>(options.seed),
              static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  const CampaignResult result = RunCampaign(options);
  std::printf("%s\n%s\n", result.CountsText().c_str(), result.report.ToText().c_str());
  INFO("seed=" << options.seed);
  INFO("timeline:\n" << result.timeline);
  INFO("end of the workers' log:\n" << result.worker_log);
  for (const std::string& failure : result.failures) INFO("failure: " << failure);
  for (const std::string& failure : result.report.failures) INFO("failure: " << failure);
  CHECK(result.failures.empty());
  CHECK(result.report.failures.empty());
  // Without these the run would have proved nothing.
  CHECK(result.report.takeover_count > 0);
  CHECK(result.report.effect_count > 100);
}

}  // namespace
}  // namespace holdfast::testing
