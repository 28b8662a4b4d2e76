#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/runtime/runtime_host.h"

namespace holdfast::testing {

// One side effect of a step, as the outside party hears of it. Nothing makes it idempotent: a
// repeat is seen.
struct OutsideEffect {
  std::string workflow_id;
  int32_t function_id = 0;
  int attempt = 0;
  int64_t process_id = 0;
  int64_t run = 0;         // which run of the workflow: unique, and grows with time
  int64_t started_ns = 0;  // wall clock, when the body began
};

// The party outside of the runtime that step bodies have their effects on.
class Outside {
 public:
  virtual ~Outside() = default;
  // On OK the effect has happened; otherwise it may have. Thread-safe.
  virtual absl::Status Append(const OutsideEffect& effect) = 0;
};

// What the steps of the workload answer: process id, run, value. So the recorded outcome of a step
// says which run it is of.
using Booked = std::array<int64_t, 3>;

// One workflow that has to end once, with this result.
struct PlannedWorkflow {
  std::string name;
  std::string id;
  int size = 0;
  int64_t output = 0;
  bool is_queued = false;
  int transfer_count = 0;  // rows in public.transfers
};

// A pure function of its arguments.
PlannedWorkflow PlanWorkflow(uint64_t seed, int index);

inline constexpr char kNarrowQueue[] = "narrow";
inline constexpr int32_t kNarrowConcurrency = 3;
inline constexpr int32_t kNarrowWorkerConcurrency = 2;

// The tables that the workload writes, and triggers that keep a record of what becomes durable:
// public.recorded_steps and public.ended_workflows, with the owner token and the server's time.
absl::Status CreateWorkloadTables(const std::string& database_url);
std::vector<workflows::ApplicationSink> WorkloadSinks();

// Registers workflows of every kind and the queue. `outside` outlives the host.
//   steps, blocking, flaky (fails twice), parent (children, some in the queue), sleeper,
//   listener and speaker (messages, an event), pairs (steps in parallel, stream), transfer (steps
//   in one transaction with application SQL), waiter (a message "go" from outside)
void RegisterWorkload(workflows::RuntimeHost& host, Outside& outside);

absl::Status StartPlanned(workflows::RuntimeHost& host, const PlannedWorkflow& planned);

}  // namespace holdfast::testing
