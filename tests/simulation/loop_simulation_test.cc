// Proves safety and liveness of the whole system under a seeded storm of faults: while requests and
// events are lost, late, duplicated and reordered, connections are cut and the process is killed,
// there is never more than one order at the venue for one intent; after the storm the loop quotes
// again and stops with proof, and position, wallet and orders equal the venue's own ledger.
//
// HOLDFAST_SIMULATION_SEED=n plays one seed; HOLDFAST_SIMULATION_SEEDS=n so many from 1.
#include "loop_simulation.h"

#include <catch2/catch.hpp>
#include <cstdlib>

namespace holdfast::simulation {
namespace {

Plan PlanOf(uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  plan.has_request_faults = seed % 5 != 1;
  plan.has_event_faults = seed % 5 != 2;
  plan.has_crashes = seed % 5 != 3;
  plan.has_forgetful_venue = seed % 7 == 0;
  plan.has_only_quote = seed % 11 == 0;
  return plan;
}

// Empty when all is well.
std::string Play(const Plan& plan, LoopCounters& totals, uint64_t* forget_count = nullptr) {
  Simulation simulation(plan);
  std::string problem = simulation.RunFaults();
  if (problem.empty()) problem = simulation.RunRecovery();
  if (problem.empty()) problem = simulation.CompareBooks();
  totals.orders_placed += simulation.totals().orders_placed;
  totals.fills += simulation.totals().fills;
  totals.orders_unknown += simulation.totals().orders_unknown;
  totals.orders_adopted += simulation.totals().orders_adopted;
  totals.unknown_resolved_absent += simulation.totals().unknown_resolved_absent;
  if (forget_count != nullptr) *forget_count += simulation.forget_count();
  return problem;
}

uint64_t NumberOf(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_CASE("simulation: safe while faults rage, live after they stop", "[simulation]") {
  const uint64_t only = NumberOf("HOLDFAST_SIMULATION_SEED", 0);
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t last = only != 0 ? only : NumberOf("HOLDFAST_SIMULATION_SEEDS", 300);
  LoopCounters totals;
  uint64_t forget_count = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const Plan plan = PlanOf(seed);
    const std::string problem = Play(plan, totals, &forget_count);
    INFO("seed=" << seed << " requests=" << plan.has_request_faults
                 << " events=" << plan.has_event_faults << " crashes=" << plan.has_crashes
                 << " forgetful=" << plan.has_forgetful_venue);
    CHECK(problem == "");
  }
  if (only == 0) {
    // The storm was one.
    CHECK(totals.orders_placed > 50 * last);
    CHECK(totals.fills > 5 * last);
    CHECK(totals.orders_unknown > last);
    CHECK(forget_count >= last / 20);  // every seventh plan has one, if the moment comes
  }
}

TEST_CASE("simulation: the same seed gives the same run", "[simulation]") {
  LoopCounters first;
  LoopCounters second;
  CHECK(Play(PlanOf(4), first) == Play(PlanOf(4), second));
  CHECK(first.orders_placed == second.orders_placed);
  CHECK(first.fills == second.fills);
  CHECK(first.orders_unknown == second.orders_unknown);
}

}  // namespace
}  // namespace holdfast::simulation
