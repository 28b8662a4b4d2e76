#include "tests/workflows/simulation/runtime_simulation.h"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "workflows/runtime/memory_database.h"
#include "workflows/runtime/memory_journal.h"
#include "workflows/runtime/runtime.h"
#include "workflows/runtime/simulated_reactor.h"

namespace holdfast::workflows {

ScheduleOptions ScheduleOptions::FromSeed(uint64_t seed) {
  Prng prng(seed ^ 0x5c4ed01e);
  ScheduleOptions options;
  options.seed = seed;
  options.executor_count = static_cast<int>(prng.Between(1, 3));
  options.workflow_count = static_cast<int>(prng.Between(2, 8));
  options.crash_count = static_cast<int>(prng.Between(0, 5));
  options.outage_count = static_cast<int>(prng.Between(0, 2));
  return options;
}

std::string ScheduleOptions::ToText() const {
  return absl::StrCat("seed=", seed, " executors=", executor_count, " workflows=", workflow_count,
                      " crashes=", crash_count, " outages=", outage_count);
}

namespace {

constexpr char kQueue[] = "narrow";
constexpr int32_t kQueueConcurrency = 2;

class Simulation;

// What the workflows' code touches outside of the runtime: seen by the simulation alone.
struct Outside {
  Simulation* simulation;
  int executor;
};

class Simulation {
 public:
  explicit Simulation(const ScheduleOptions& options)
      : options_(options), prng_(options.seed), database_(clock_), reactor_(clock_) {
    database_.RegisterSink("book", [this](const std::string& row) -> absl::Status {
      ++bookings_[row];
      return absl::OkStatus();
    });
    processes_.resize(static_cast<size_t>(options.executor_count));
  }

  ScheduleResult Run();

  // A step's body runs in `executor`. False: that process is dead, and this is nobody.
  bool OnBody(int executor, const std::string& workflow_id, int32_t function_id);

 private:
  struct Process {
    Outside outside;
    std::unique_ptr<MemoryJournal> journal;
    std::unique_ptr<InlineBlockingPool> pool;
    std::unique_ptr<Runtime> runtime;
    bool is_dead = false;
  };
  struct Wanted {
    std::string name;
    std::string id;
    int size = 0;
    int64_t output = 0;
    bool is_queued = false;
    bool is_accepted = false;
    bool is_asked = false;
  };
  struct Crash {
    std::string place;
    int64_t countdown = 0;
  };

  void PlanWorkflows();
  void PlanCrashes();
  void Boot(int executor);
  void Die(int executor, const std::string& place);
  void OnWrite(int executor, std::string_view write, WriteMoment moment);
  void AskForStarts();
  void Outage();
  bool IsDone() const;
  std::string Unfinished() const;
  void Turn();
  void CheckTurn();
  void CheckEnd();
  void Fail(const std::string& what) {
    if (result_.failure.empty()) result_.failure = what;
  }
  static void RegisterAll(Runtime& runtime, Outside& outside);

  const ScheduleOptions options_;
  Prng prng_;
  ManualClock clock_;
  MemoryDatabase database_;
  SimulatedReactor reactor_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::unique_ptr<Process>> dead_;
  std::vector<Wanted> wanted_;
  std::vector<Crash> crashes_;
  std::map<std::string, int64_t> bookings_;
  std::map<std::pair<std::string, int32_t>, int64_t> bodies_;
  bool are_faults_on_ = true;
  int outages_left_ = 0;
  uint64_t incarnation_count_ = 0;
  ScheduleResult result_;
};

// ---- The workflows
// --------------------------------------------------------------------------------

// A step that books itself and answers `value`.
Operation<int> Book(Workflow& workflow, Outside* outside, const char* name, int value) {
  return workflow.Step<int>(name, [outside, value](StepContext& context) -> absl::StatusOr<int> {
    if (!outside->simulation->OnBody(outside->executor, context.workflow_id(),
                                     context.function_id())) {
      return absl::AbortedError("the process is dead");
    }
    context.Record(
        {.sink = "book", .json = absl::StrCat(context.workflow_id(), "/", context.function_id())});
    return value;
  });
}

Task<absl::StatusOr<int>> Steps(Workflow& workflow, Outside* outside, int size) {
  int sum = 0;
  for (int i = 0; i < size; ++i) {
    HF_CO_ASSIGN_OR_RETURN(const int value, Book(workflow, outside, "book", i + 1));
    sum += value;
  }
  co_return sum;
}

Task<absl::StatusOr<int>> Parent(Workflow& workflow, Outside* outside, int size) {
  int sum = 0;
  std::vector<ChildHandle<int>> children;
  for (int i = 0; i < size; ++i) {
    ChildOptions options;
    if (i % 2 == 1) options.queue_name = kQueue;
    HF_CO_ASSIGN_OR_RETURN(auto child, workflow.StartChild<int>("steps", options, 2));
    children.push_back(child);
  }
  HF_CO_ASSIGN_OR_RETURN(sum, Book(workflow, outside, "own", 100));
  for (ChildHandle<int>& child : children) {
    HF_CO_ASSIGN_OR_RETURN(const int value, child.Result());
    sum += value;
  }
  co_return sum;
}

Task<absl::StatusOr<int>> Sleeper(Workflow& workflow, Outside* outside, int size) {
  HF_CO_ASSIGN_OR_RETURN(const int before, Book(workflow, outside, "before", 1));
  HF_CO_RETURN_IF_ERROR(workflow.Sleep(size));
  HF_CO_ASSIGN_OR_RETURN(const int after, Book(workflow, outside, "after", 2));
  co_return before + after;
}

// Receives from a workflow that it starts itself, and shows the sum as an event.
Task<absl::StatusOr<int>> Listener(Workflow& workflow, Outside*, int size) {
  const std::string self = workflow.id();
  HF_CO_ASSIGN_OR_RETURN(auto speaker,
                         workflow.StartChild<int>("speaker", ChildOptions(), self, size));
  int sum = 0;
  for (int i = 0; i < size; ++i) {
    const std::optional<std::string> topic = "numbers";
    HF_CO_ASSIGN_OR_RETURN(const std::optional<int> number, workflow.Receive<int>(topic, 100'000));
    sum += number.value_or(-1'000);
  }
  HF_CO_RETURN_IF_ERROR(workflow.SetEvent("sum", sum));
  HF_CO_ASSIGN_OR_RETURN(const int sent, speaker.Result());
  co_return sum - sent;
}

Task<absl::StatusOr<int>> Speaker(Workflow& workflow, Outside* outside, std::string listener,
                                  int size) {
  for (int i = 0; i < size; ++i) {
    HF_CO_ASSIGN_OR_RETURN(const int number, Book(workflow, outside, "think", i + 1));
    HF_CO_RETURN_IF_ERROR(workflow.Send(listener, number, "numbers"));
  }
  co_return size;
}

// Two steps at once, an event after each round, a stream at the end.
Task<absl::StatusOr<int>> Pairs(Workflow& workflow, Outside* outside, int size) {
  int sum = 0;
  for (int i = 0; i < size; ++i) {
    auto left = Book(workflow, outside, "left", 10);
    auto right = Book(workflow, outside, "right", 1);
    HF_CO_ASSIGN_OR_RETURN(const int left_value, left);
    HF_CO_ASSIGN_OR_RETURN(const int right_value, right);
    sum += left_value + right_value;
    HF_CO_RETURN_IF_ERROR(workflow.SetEvent("round", i));
    HF_CO_RETURN_IF_ERROR(workflow.WriteStream("rounds", i));
  }
  HF_CO_RETURN_IF_ERROR(workflow.CloseStream("rounds"));
  co_return sum;
}

// Fails twice, then succeeds: retried inside of one step.
Task<absl::StatusOr<int>> Flaky(Workflow& workflow, Outside* outside, int size) {
  StepOptions options;
  options.max_attempts = 5;
  options.jitter = 0.5;
  HF_CO_ASSIGN_OR_RETURN(
      const int attempt,
      workflow.Step<int>("flaky", options, [](StepContext& context) -> absl::StatusOr<int> {
        if (context.attempt() < 3) return absl::UnavailableError("not yet");
        return context.attempt();
      }));
  HF_CO_ASSIGN_OR_RETURN(const int booked, Book(workflow, outside, "book", size));
  co_return attempt + booked;
}

void Simulation::RegisterAll(Runtime& runtime, Outside& outside) {
  Outside* const out = &outside;
  const auto add = [&](const char* name, auto fn) {
    runtime.Register(name,
                     [out, fn](Workflow& workflow, int size) { return fn(workflow, out, size); });
  };
  add("steps", &Steps);
  add("parent", &Parent);
  add("sleeper", &Sleeper);
  add("listener", &Listener);
  add("pairs", &Pairs);
  add("flaky", &Flaky);
  runtime.Register("speaker", [out](Workflow& workflow, std::string listener, int size) {
    return Speaker(workflow, out, std::move(listener), size);
  });
}

// ---- Plans
// ----------------------------------------------------------------------------------------

void Simulation::PlanWorkflows() {
  for (int i = 0; i < options_.workflow_count; ++i) {
    Wanted wanted;
    wanted.id = absl::StrCat("w", i);
    wanted.size = static_cast<int>(prng_.Between(1, 3));
    const int64_t n = wanted.size;
    switch (prng_.Below(6)) {
      case 0:
        wanted.name = "steps";
        wanted.output = n * (n + 1) / 2;
        break;
      case 1:
        wanted.name = "parent";
        wanted.output = 100 + 3 * n;
        break;
      case 2:
        wanted.name = "sleeper";
        wanted.output = 3;
        break;
      case 3:
        wanted.name = "listener";
        wanted.output = n * (n + 1) / 2 - n;
        break;
      case 4:
        wanted.name = "pairs";
        wanted.output = 11 * n;
        break;
      case 5:
        wanted.name = "flaky";
        wanted.output = 3 + n;
        break;
    }
    // A parent in the queue that its children wait in would wait for itself.
    wanted.is_queued = wanted.name != "parent" && prng_.Chance(1, 3);
    wanted_.push_back(std::move(wanted));
  }
}

void Simulation::PlanCrashes() {
  static constexpr const char* kWrites[] = {"start",  "commit", "commit", "commit",   "finish",
                                            "finish", "claim",  "adopt",  "register", "renew"};
  static constexpr const char* kMoments[] = {" sent", " durable", " answered"};
  for (int i = 0; i < options_.crash_count; ++i) {
    Crash crash;
    if (prng_.Chance(1, 4)) {
      crash.place = "between turns";
      crash.countdown = prng_.Between(1, 300);
    } else {
      crash.place = absl::StrCat(kWrites[prng_.Below(std::size(kWrites))],
                                 kMoments[prng_.Below(std::size(kMoments))]);
      crash.countdown = prng_.Between(1, 6);
    }
    crashes_.push_back(std::move(crash));
  }
  outages_left_ = options_.outage_count;
}

// ---- Processes
// ------------------------------------------------------------------------------------

void Simulation::Boot(int executor) {
  auto process = std::make_unique<Process>();
  process->outside = {.simulation = this, .executor = executor};
  MemoryJournalOptions journal;
  journal.request_delay_ns_max = prng_.Below(3) * kNanosPerMilli;
  journal.answer_delay_ns_max = prng_.Below(3) * kNanosPerMilli;
  journal.lost_answer_one_in = are_faults_on_ && prng_.Chance(1, 2) ? 10 : 0;
  journal.lost_news_one_in = are_faults_on_ && prng_.Chance(1, 2) ? 3 : 0;
  journal.reconnect_delay_ns = prng_.Between(1, 3'000) * kNanosPerMilli;
  journal.on_write = [this, executor](std::string_view write, WriteMoment moment) {
    OnWrite(executor, write, moment);
  };
  const uint64_t seed = options_.seed * 1'000 + ++incarnation_count_;
  process->journal = std::make_unique<MemoryJournal>(database_, reactor_, journal, seed);
  process->pool = std::make_unique<InlineBlockingPool>(reactor_);
  RuntimeOptions runtime;
  runtime.executor_id = absl::StrCat("executor", executor);
  runtime.application_name = "simulation";
  runtime.lease_ttl_s = 6;
  runtime.sweep_interval_s = 2;
  runtime.message_poll_interval_s = 10;
  process->runtime =
      std::make_unique<Runtime>(runtime, reactor_, *process->journal, *process->pool, Prng(seed));
  RegisterAll(*process->runtime, process->outside);
  QueueConfig queue;
  queue.name = kQueue;
  queue.concurrency = kQueueConcurrency;
  process->runtime->RegisterQueue(queue);
  Process& booted = *process;
  processes_[static_cast<size_t>(executor)] = std::move(process);
  booted.runtime->Launch([](absl::Status) {});
}

void Simulation::Die(int executor, const std::string& place) {
  std::unique_ptr<Process>& process = processes_[static_cast<size_t>(executor)];
  if (!process || process->is_dead) return;
  ++result_.crashes_by_place[place];
  process->is_dead = true;
  if (prng_.Chance(1, 2)) process->journal->LetRequestsOutliveTheProcess();
  process->journal->Cut();
  // Its objects may be on the stack at this moment.
  dead_.push_back(std::move(process));
  const int64_t pause_ns = prng_.Between(0, 20'000) * kNanosPerMilli;
  reactor_.CallAfter(pause_ns, [this, executor] {
    if (!processes_[static_cast<size_t>(executor)]) Boot(executor);
  });
  for (Wanted& wanted : wanted_) wanted.is_asked = false;
}

void Simulation::OnWrite(int executor, std::string_view write, WriteMoment moment) {
  result_.digest = (result_.digest ^ static_cast<uint64_t>(clock_.MonotonicNs())) * 0x100000001b3;
  for (const char c : write) result_.digest = (result_.digest ^ static_cast<uint8_t>(c)) * 0x1b3;
  if (!are_faults_on_) return;
  static constexpr const char* kMoments[] = {" sent", " durable", " answered"};
  const std::string place = std::string(write) + kMoments[static_cast<size_t>(moment)];
  for (Crash& crash : crashes_) {
    if (crash.place != place || crash.countdown <= 0) continue;
    if (--crash.countdown == 0) return Die(executor, place);
  }
}

// ---- Turns
// ----------------------------------------------------------------------------------------

// A caller that asks again, under the same id, until somebody has accepted.
void Simulation::AskForStarts() {
  for (Wanted& wanted : wanted_) {
    if (wanted.is_accepted || wanted.is_asked) continue;
    Process* process = processes_[prng_.Below(processes_.size())].get();
    if (process == nullptr) continue;
    wanted.is_asked = true;
    StartOptions start;
    start.id = wanted.id;
    auto inputs = internal::EncodeCall(PayloadFormat::kPortableJson, wanted.size);
    auto reply = [this, &wanted](absl::StatusOr<StartedWorkflow> started) {
      wanted.is_asked = false;
      if (started.ok()) wanted.is_accepted = true;
      if (!started.ok() && started.status().code() == absl::StatusCode::kAlreadyExists) {
        Fail(absl::StrCat("refused: ", started.status().ToString()));
      }
    };
    if (wanted.is_queued) {
      process->runtime->Enqueue(kQueue, wanted.name, start, *std::move(inputs), std::move(reply));
    } else {
      process->runtime->Start(wanted.name, start, *std::move(inputs), std::move(reply));
    }
  }
}

void Simulation::Outage() {
  --outages_left_;
  const size_t executor = prng_.Below(processes_.size());
  if (!processes_[executor]) return;
  processes_[executor]->journal->SetAvailable(false);
  const int64_t duration_ns = prng_.Between(1, 15'000) * kNanosPerMilli;
  reactor_.CallAfter(duration_ns, [this, executor] {
    if (processes_[executor]) processes_[executor]->journal->SetAvailable(true);
  });
}

bool Simulation::OnBody(int executor, const std::string& workflow_id, int32_t function_id) {
  const Process* process = processes_[static_cast<size_t>(executor)].get();
  if (process == nullptr) return false;
  ++result_.body_count;
  if (++bodies_[{workflow_id, function_id}] > 1) ++result_.repeated_count;
  for (const StepRecord& step : database_.ListSteps(workflow_id)) {
    if (step.function_id != function_id) continue;
    Fail(absl::StrCat("a recorded step ran again: workflow=", workflow_id,
                      " function_id=", function_id));
  }
  const auto record = database_.GetWorkflow(workflow_id, false);
  if (!record) Fail(absl::StrCat("a step ran before its workflow was durable: ", workflow_id));
  return true;
}

void Simulation::CheckTurn() {
  if (result_.turn_count % 8 != 0) return;
  WorkflowFilter filter;
  filter.queue_name = kQueue;
  filter.statuses = {WorkflowStatus::kPending};
  const size_t running = database_.ListWorkflows(filter).size();
  if (running > kQueueConcurrency) Fail(absl::StrCat("queue limit passed: running=", running));
  if (result_.turn_count % 64 == 0) database_.CheckInvariants();
}

void Simulation::Turn() {
  ++result_.turn_count;
  reactor_.RunOnce(kNanosPerSecond);
  dead_.clear();
  if (are_faults_on_) {
    for (Crash& crash : crashes_) {
      if (crash.place != "between turns" || crash.countdown <= 0) continue;
      if (--crash.countdown == 0) {
        Die(static_cast<int>(prng_.Below(processes_.size())), crash.place);
      }
    }
    if (outages_left_ > 0 && prng_.Chance(1, 100)) Outage();
  }
  dead_.clear();
  AskForStarts();
  CheckTurn();
}

bool Simulation::IsDone() const {
  for (const Wanted& wanted : wanted_) {
    const auto record = database_.GetWorkflow(wanted.id, false);
    if (!record || !IsTerminal(record->status)) return false;
  }
  return true;
}

std::string Simulation::Unfinished() const {
  std::string text;
  WorkflowFilter active;
  active.statuses = {WorkflowStatus::kPending, WorkflowStatus::kEnqueued,
                     WorkflowStatus::kDelayed};
  for (const WorkflowRecord& record : database_.ListWorkflows(active)) {
    absl::StrAppend(&text, "  ", record.name, " ", record.id, " ",
                    std::string(WorkflowStatusName(record.status)),
                    " executor=", record.executor_id.value_or("-"),
                    " queue=", record.queue_name.value_or("-"), " steps:");
    for (const StepRecord& step : database_.ListSteps(record.id)) {
      absl::StrAppend(&text, " ", step.function_id, "=", step.name);
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

void Simulation::CheckEnd() {
  database_.CheckInvariants();
  for (const Wanted& wanted : wanted_) {
    const auto record = database_.GetWorkflow(wanted.id, true);
    if (!record) return Fail(absl::StrCat("lost: ", wanted.id));
    if (record->status != WorkflowStatus::kSuccess) {
      return Fail(absl::StrCat(wanted.name, " ", wanted.id, " ended as ",
                               std::string(WorkflowStatusName(record->status)), " ",
                               record->error.value_or("")));
    }
    if (record->output != std::to_string(wanted.output)) {
      return Fail(absl::StrCat(wanted.name, " ", wanted.id, " answered ",
                               record->output.value_or("nothing"), ", expected ", wanted.output));
    }
  }
  for (const auto& [row, count] : bookings_) {
    if (count != 1) return Fail(absl::StrCat("booked ", count, " times: ", row));
  }
  // Each step that ran is recorded and booked, children's included.
  for (const auto& [key, count] : bodies_) {
    if (!bookings_.contains(absl::StrCat(key.first, "/", key.second))) {
      return Fail(absl::StrCat("ran but was never booked: ", key.first, "/", key.second));
    }
  }
}

ScheduleResult Simulation::Run() {
  constexpr int64_t kFaultTurnCount = 4'000;
  constexpr int64_t kCalmTurnCountMax = 100'000;
  PlanWorkflows();
  PlanCrashes();
  for (int i = 0; i < options_.executor_count; ++i) Boot(i);
  const int64_t begin_ns = clock_.MonotonicNs();
  while (result_.failure.empty() && !IsDone() && result_.turn_count < kFaultTurnCount) Turn();
  // Faults stop: the network is whole, and whoever died comes back.
  are_faults_on_ = false;
  for (int i = 0; i < options_.executor_count; ++i) {
    if (processes_[static_cast<size_t>(i)]) {
      processes_[static_cast<size_t>(i)]->journal->SetAvailable(true);
    } else {
      Boot(i);
    }
  }
  const int64_t end = result_.turn_count + kCalmTurnCountMax;
  while (result_.failure.empty() && !IsDone() && result_.turn_count < end) Turn();
  if (result_.failure.empty() && !IsDone()) {
    Fail(absl::StrCat("does not end after the faults stopped:\n", Unfinished()));
  }
  if (result_.failure.empty()) CheckEnd();
  result_.virtual_ms = (clock_.MonotonicNs() - begin_ns) / kNanosPerMilli;
  return std::move(result_);
}

}  // namespace

ScheduleResult RunSchedule(const ScheduleOptions& options) { return Simulation(options).Run(); }

}  // namespace holdfast::workflows
