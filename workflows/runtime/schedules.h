#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/base/prng.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

class Runtime;
struct StartedWorkflow;

namespace internal {

// Fires the schedules of this executor's workflows. A firing is an enqueue under an id that is made
// of the schedule's name and the time, so all executors may fire and one workflow starts.
//
// Threads: the reactor's.
class ScheduleRunner {
 public:
  ScheduleRunner(Runtime& runtime, Reactor& reactor, Journal& journal, Prng& prng);
  ~ScheduleRunner();
  ScheduleRunner(const ScheduleRunner&) = delete;
  ScheduleRunner& operator=(const ScheduleRunner&) = delete;

  // Looks at the table.
  void Refresh();
  void Stop();
  void Trigger(std::string name, Reply<StartedWorkflow> reply);

 private:
  struct Schedule {
    ScheduleRecord record;
    absl::Time next_fire;          // the instant that the expression names
    std::optional<TimerId> timer;  // for it, plus jitter
  };

  void OnListed(uint64_t session, absl::StatusOr<std::vector<ScheduleRecord>> records);
  void Take(ScheduleRecord record);
  void Plan(Schedule& schedule, absl::Time after);
  void Arm(Schedule& schedule, absl::Time due);
  void Backfill(const ScheduleRecord& record);
  void Fire(const ScheduleRecord& record, absl::Time time, std::string id,
            Reply<StartedWorkflow> reply);
  absl::Time Now() const;

  Runtime& runtime_;
  Reactor& reactor_;
  Journal& journal_;
  Prng& prng_;
  std::vector<std::unique_ptr<Schedule>> schedules_;
  uint64_t session_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace internal
}  // namespace holdfast::workflows
