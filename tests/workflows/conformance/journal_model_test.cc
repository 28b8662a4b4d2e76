// Proves that PostgreSQL does what the journal in memory, the plain statement of each operation,
// does: random sequences of operations of two executors and an operator run on both in lock-step.
// After each of them the answers and everything that can be read are equal, limits hold, claims
// come by priority and age, and no workflow has two owners.
//
// HOLDFAST_TEST_SEED repeats a run; HOLDFAST_MODEL_OPERATIONS is the number of operations of each
// sequence, HOLDFAST_MODEL_SEQUENCES that of sequences.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "tests/workflows/conformance/journal_fixture.h"
#include "workflows/runtime/memory_journal.h"
#include "workflows/runtime/simulated_reactor.h"

namespace holdfast::workflows {
namespace {

using Ids = std::vector<std::string>;

constexpr int kOperationCount = 200;
constexpr int kSequenceCount = 3;
constexpr size_t kWorkflowCountMax = 30;  // beyond that all that has ended is deleted
constexpr int64_t kHourMs = 3'600'000;

uint64_t NumberOf(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class MemorySide final : public JournalFixture {
 public:
  MemorySide() : reactor_(clock_), database_(clock_) {}
  ~MemorySide() override { database_.CheckInvariants(); }
  Reactor& reactor() override { return reactor_; }
  std::unique_ptr<Journal> NewJournal() override {
    return std::make_unique<MemoryJournal>(database_, reactor_);
  }
  void Turn() override { reactor_.RunOnce(kNanosPerMilli); }
  void Elapse(int64_t duration_ms) override { reactor_.RunFor(duration_ms * kNanosPerMilli); }
  Ids Notes() override { return {}; }

 private:
  ManualClock clock_;
  SimulatedReactor reactor_;
  MemoryDatabase database_;
};

// One run of a workflow, as each side named it. Kept after its end: what it writes then must be
// refused.
struct Run {
  std::string workflow_id;
  size_t executor = 0;
  std::array<std::string, 2> tokens;
};

std::string Text(const std::optional<std::string>& text) { return text ? "'" + *text + "'" : "-"; }

// A row without what the sides cannot have in common: times, and the tokens of claims.
std::string Describe(const WorkflowRecord& row) {
  std::ostringstream out;
  const bool is_running = row.status == WorkflowStatus::kPending;
  const bool is_dead = row.status == WorkflowStatus::kMaxRecoveryAttemptsExceeded;
  const std::string token = row.owner_token.value_or("");
  out << row.id << ' ' << WorkflowStatusName(row.status) << ' ' << row.name
      << " inputs=" << Text(row.inputs) << " output=" << Text(row.output)
      << " error=" << Text(row.error) << " format=" << Text(row.serialization)
      << " executor=" << (is_running ? Text(row.executor_id) : "")
      << " incarnation=" << token.substr(0, token.rfind('-')) << " queue=" << Text(row.queue_name)
      << " partition=" << Text(row.queue_partition_key)
      << " deduplication=" << Text(row.deduplication_id) << " priority=" << row.priority
      << " version=" << Text(row.application_version)
      << " application=" << (is_dead ? "" : Text(row.application_name))
      << " attempts=" << row.recovery_attempts << " started=" << row.started_at_ms.has_value()
      << " completed=" << row.completed_at_ms.has_value()
      << " timeout=" << row.timeout_ms.value_or(0) << " deadline=" << row.deadline_ms.has_value()
      << " delay=" << row.delay_until_ms.has_value() << " parent=" << Text(row.parent_workflow_id)
      << " from=" << Text(row.forked_from) << " forked=" << row.was_forked_from << '\n';
  return out.str();
}

std::string Describe(const StepRecord& step) {
  std::ostringstream out;
  out << "  " << step.function_id << ' ' << step.name << " output=" << Text(step.output)
      << " error=" << Text(step.error) << " child=" << Text(step.child_workflow_id)
      << " format=" << step.serialization << '\n';
  return out.str();
}

std::string Describe(const absl::Status& status) {
  return "status " + std::to_string(static_cast<int>(status.code())) + "\n";
}

// The two sides, and the calls that are made on both.
class Model {
 public:
  explicit Model(uint64_t seed) : prng_(seed), postgres_(MakeJournalFixture()) {
    sides_ = {&memory_, postgres_.get()};
    MakeQueues();
    for (size_t executor = 0; executor < kExecutorCount; ++executor) Restart(executor);
  }

  void Step(int number);

 private:
  static constexpr size_t kExecutorCount = 2;
  struct State {
    std::vector<WorkflowRecord> rows;
    std::map<std::string, int32_t> next_step;
    std::string text;
  };
  struct Executor {
    std::array<std::unique_ptr<Process>, 2> life;
    int life_count = 0;
    bool is_stopped = false;
  };

  void MakeQueues();
  // A call of the same kind on both sides; the answers, described, must be equal.
  template <class Call>
  void Both(Call call) {
    std::array<std::string, 2> answers;
    for (size_t side = 0; side < 2; ++side) answers[side] = call(side);
    INFO(log_);
    REQUIRE(answers[0] == answers[1]);
  }
  Process& Of(size_t executor, size_t side) { return *executors_[executor].life[side]; }
  template <class T, class Call>
  std::string Count(size_t side, Call call) {
    const auto answer = Of(0, side).Await<T>(
        [&](Reply<T> reply) { call(Of(0, side).journal(), std::move(reply)); });
    return answer.ok() ? "count " + std::to_string(*answer) : Describe(answer.status());
  }
  template <class Call>
  std::string Status(size_t side, Call call) {
    return Describe(Of(0, side).AwaitStatus(
        [&](StatusReply reply) { call(Of(0, side).journal(), std::move(reply)); }));
  }

  void Restart(size_t executor);
  void Stop(size_t executor);
  NewWorkflow RandomWorkflow();
  void StartOne(bool is_queued);
  Effect RandomEffect(const Run& run, int32_t function_id, std::string& what);
  void CommitOne();
  void ClaimSome();
  void TakeOver();
  void SweepAll();
  void OperateOne();
  void DeleteEnded();
  void Note(size_t executor, const std::array<ClaimResult, 2>& claims);
  ClaimRequest RequestFor(const QueueConfig& queue, size_t executor);
  Ids SomeIds();
  const std::string& SomeId();

  State Read(size_t side, bool is_thorough);
  void CheckLimits();

  Prng prng_;
  MemorySide memory_;
  std::unique_ptr<JournalFixture> postgres_;
  std::array<JournalFixture*, 2> sides_;
  std::array<Executor, kExecutorCount> executors_;
  std::vector<QueueConfig> queues_;
  std::vector<Run> runs_;
  std::map<std::string, size_t> latest_run_;  // by workflow, an index of runs_
  State state_;                               // after the last operation
  int fork_count_ = 0;
  int child_count_ = 0;
  std::string log_;
};

void Model::MakeQueues() {
  queues_.resize(5);
  queues_[0].name = std::string(kInternalQueueName);
  queues_[1].name = "limited";
  queues_[1].concurrency = 2;
  queues_[2].name = "workers";
  queues_[2].worker_concurrency = 2;
  queues_[3].name = "rated";
  queues_[3].rate_limit = RateLimit{.max_starts = 12, .period_s = 3'600};
  queues_[4].name = "parts";
  queues_[4].is_partitioned = true;
  queues_[4].concurrency = 3;
  queues_[4].partition_concurrency = 1;
}

void Model::Restart(size_t executor) {
  Executor& own = executors_[executor];
  const std::string name = executor == 0 ? "one" : "two";
  ++own.life_count;
  own.is_stopped = false;
  for (size_t side = 0; side < 2; ++side) {
    if (own.life[side]) {
      Journal& before = own.life[side]->journal();
      CHECK(own.life[side]
                ->AwaitStatus([&](StatusReply reply) { before.ReleaseLease(std::move(reply)); })
                .ok());
    }
    own.life[side] =
        std::make_unique<Process>(*sides_[side], name, name + std::to_string(own.life_count));
    own.life[side]->Register(kHourMs);
  }
  log_ += "restart " + name;
}

void Model::Stop(size_t executor) {
  log_ += "stop " + std::to_string(executor);
  executors_[executor].is_stopped = true;
  Both([&](size_t side) {
    return Describe(Of(executor, side).AwaitStatus([&](StatusReply reply) {
      Of(executor, side).journal().ReleaseLease(std::move(reply));
    }));
  });
}

const std::string& Model::SomeId() {
  static const std::string kMissing = "missing";
  if (state_.rows.empty() || prng_.Chance(1, 20)) return kMissing;
  return state_.rows[prng_.Below(state_.rows.size())].id;
}

Ids Model::SomeIds() {
  std::set<std::string> ids;
  for (uint64_t i = 0; i <= prng_.Below(3); ++i) ids.insert(SomeId());
  return {ids.begin(), ids.end()};
}

NewWorkflow Model::RandomWorkflow() {
  NewWorkflow workflow = MakeWorkflow("w" + std::to_string(prng_.Below(40)));
  if (prng_.Chance(1, 15)) workflow.name = "unknown";
  if (prng_.Chance(1, 4)) workflow.parent_workflow_id = "w" + std::to_string(prng_.Below(40));
  if (prng_.Chance(1, 6)) workflow.timeout_ms = kHourMs;
  if (prng_.Chance(1, 20)) workflow.deadline_ms = 1;  // long ago
  return workflow;
}

void Model::StartOne(bool is_queued) {
  NewWorkflow workflow = RandomWorkflow();
  const size_t executor = prng_.Below(kExecutorCount);
  if (is_queued) {
    workflow.queue_name = queues_[prng_.Between(1, 4)].name;
    workflow.priority = static_cast<int32_t>(prng_.Between(-1, 1));
    if (workflow.queue_name == "parts") {
      workflow.queue_partition_key = prng_.Chance(1, 2) ? "btc" : "eth";
    }
    if (prng_.Chance(1, 3)) workflow.deduplication_id = "d" + std::to_string(prng_.Below(3));
    if (prng_.Chance(1, 5)) workflow.delay_until_ms = prng_.Chance(1, 2) ? 1 : 10'000'000'000'000;
  }
  log_ += "start " + workflow.id + " queue=" + workflow.queue_name.value_or("");
  Run run{.workflow_id = workflow.id, .executor = executor, .tokens = {}};
  bool is_created = false;
  Both([&](size_t side) {
    if (!is_queued) workflow.owner_token = run.tokens[side] = Of(executor, side).Token();
    const auto result = Of(executor, side).Start(workflow);
    if (!result.ok()) return Describe(result.status());
    is_created = result->outcome == StartOutcome::kCreated;
    return "start " + std::to_string(static_cast<int>(result->outcome)) + ' ' + result->existing.id;
  });
  if (!is_created || is_queued) return;
  latest_run_[run.workflow_id] = runs_.size();
  runs_.push_back(std::move(run));
}

Effect Model::RandomEffect(const Run& run, int32_t function_id, std::string& what) {
  Effect effect;
  const std::string value = std::to_string(prng_.Below(1'000));
  const std::string name = prng_.Chance(1, 2) ? "a" : "b";
  switch (prng_.Below(5)) {
    case 0: {
      what += " send";
      SendEffect send;
      send.destination_id = SomeId();
      if (prng_.Chance(1, 3)) send.topic = "go";
      if (prng_.Chance(1, 4)) send.message_id = "m" + std::to_string(prng_.Below(5));
      send.message = value;
      send.serialization = "portable_json";
      send.missing_destination_error = R"({"name":"Missing"})";
      effect.action = send;
      break;
    }
    case 1:
      what += " receive";
      effect.action = ReceiveEffect{.topic = prng_.Chance(1, 3) ? std::optional<std::string>("go")
                                                                : std::nullopt};
      break;
    case 2:
      what += " event " + name;
      effect.action = SetEventEffect{.key = name, .value = value, .serialization = "portable_json"};
      break;
    case 3: {
      what += " stream " + name;
      const bool is_end = prng_.Chance(1, 8);
      effect.action = StreamEffect{.key = name,
                                   .value = is_end ? std::string(kStreamClosedMarker) : value,
                                   .serialization = "portable_json"};
      break;
    }
    default: {
      what += " child";
      NewWorkflow child =
          MakeWorkflow(prng_.Chance(1, 4) ? SomeId() : "c" + std::to_string(++child_count_));
      child.queue_name = "workers";
      child.parent_workflow_id = run.workflow_id;
      if (prng_.Chance(1, 3)) child.deduplication_id = "d" + std::to_string(prng_.Below(3));
      effect.step = MakeStep(function_id, "child", "");
      effect.step.output.reset();
      effect.step.child_workflow_id = child.id;
      effect.action = ChildEffect{std::move(child)};
      return effect;
    }
  }
  effect.step = MakeStep(function_id, "effect", "null");
  return effect;
}

void Model::CommitOne() {
  if (runs_.empty()) return;
  // Mostly a run that may still be at work.
  const size_t index = runs_.size() - 1 - prng_.Below(std::min<size_t>(runs_.size(), 12));
  const Run run = runs_[index];
  log_ += "commit " + run.workflow_id;
  WorkflowCommit commit;
  int32_t function_id = state_.next_step[run.workflow_id];
  for (uint64_t i = prng_.Below(3); i > 0; --i) {
    commit.steps.push_back(MakeStep(function_id++, "step", std::to_string(prng_.Below(1'000'000))));
  }
  for (uint64_t i = prng_.Below(3); i > 0; --i) {
    commit.effects.push_back(RandomEffect(run, function_id, log_));
    ++function_id;
  }
  if (prng_.Chance(1, 4)) {
    log_ += " finish";
    commit.finish = Finish{.status = WorkflowStatus::kSuccess, .output = "1", .error = {}};
    if (prng_.Chance(1, 3)) {
      commit.finish = Finish{.status = WorkflowStatus::kError, .output = {}, .error = "{}"};
    }
  }
  bool is_durable = false;
  Both([&](size_t side) {
    commit.fence = {.workflow_id = run.workflow_id, .owner_token = run.tokens[side]};
    const auto result = Of(run.executor, side).Commit(commit);
    if (!result.ok()) return Describe(result.status());
    is_durable = result->is_durable;
    std::ostringstream answer;
    answer << "durable " << result->is_durable << '\n';
    for (const EffectResult& effect : result->effects) {
      answer << static_cast<int>(effect.outcome) << ' ' << Describe(effect.step);
    }
    return answer.str();
  });
  // One owner: whoever came before the latest run writes nothing.
  if (is_durable) CHECK(latest_run_[run.workflow_id] == index);
}

ClaimRequest Model::RequestFor(const QueueConfig& queue, size_t executor) {
  ClaimRequest request = Of(executor, 0).AnyOf(queue.name);
  request.queue = queue;
  std::map<std::string, int32_t> by_partition;
  for (const WorkflowRecord& row : state_.rows) {
    if (row.status != WorkflowStatus::kPending || row.queue_name != queue.name) continue;
    if (row.executor_id != Of(executor, 0).identity().executor_id) continue;
    ++request.running_here;
    if (row.queue_partition_key) ++by_partition[*row.queue_partition_key];
  }
  request.running_here_by_partition.assign(by_partition.begin(), by_partition.end());
  return request;
}

void Model::Note(size_t executor, const std::array<ClaimResult, 2>& claims) {
  REQUIRE(claims[0].workflows.size() == claims[1].workflows.size());
  for (size_t i = 0; i < claims[0].workflows.size(); ++i) {
    const std::string& id = claims[0].workflows[i].workflow.id;
    latest_run_[id] = runs_.size();
    runs_.push_back(
        {.workflow_id = id,
         .executor = executor,
         .tokens = {claims[0].workflows[i].owner_token, claims[1].workflows[i].owner_token}});
  }
}

std::string Describe(const ClaimResult& claim) {
  std::ostringstream out;
  out << "dead " << claim.dead_letter_count << '\n';
  for (const ClaimedWorkflow& claimed : claim.workflows) {
    out << Describe(claimed.workflow);
    for (const StepRecord& step : claimed.steps) out << Describe(step);
  }
  return out.str();
}

void Model::ClaimSome() {
  const QueueConfig& queue = queues_[prng_.Below(queues_.size())];
  const size_t executor = prng_.Below(kExecutorCount);
  ClaimRequest request = RequestFor(queue, executor);
  // A dead letter may take up room of the claim that finds it: then another claim follows at once,
  // and only after the last of them the sides are equal.
  if (prng_.Chance(1, 3)) {
    request.max_recovery_attempts = 2;
  } else if (prng_.Chance(1, 2)) {
    request.max_count = static_cast<int32_t>(prng_.Between(1, 2));
  }
  log_ += "claim " + queue.name + " by " + std::to_string(executor);
  std::array<ClaimResult, 2> claims;
  std::map<std::string, size_t> place;  // priority and age as before the claim
  for (size_t i = 0; i < state_.rows.size(); ++i) place[state_.rows[i].id] = i;
  Both([&](size_t side) {
    ClaimRequest next = request;
    while (true) {
      const auto claim = Of(executor, side).Claim(next);
      if (!claim.ok()) return Describe(claim.status());
      claims[side].dead_letter_count += claim->dead_letter_count;
      for (const ClaimedWorkflow& claimed : claim->workflows) {
        claims[side].workflows.push_back(claimed);
        ++next.running_here;
      }
      if (claim->dead_letter_count == 0) return Describe(claims[side]);
    }
  });
  Note(executor, claims);
  for (size_t i = 1; i < claims[1].workflows.size(); ++i) {
    const WorkflowRecord& before = claims[1].workflows[i - 1].workflow;
    const WorkflowRecord& row = claims[1].workflows[i].workflow;
    CHECK(std::pair(before.priority, place[before.id]) < std::pair(row.priority, place[row.id]));
  }
}

void Model::TakeOver() {
  const size_t executor = prng_.Below(kExecutorCount);
  const int32_t max_count = prng_.Chance(1, 2) ? 2 : 100;
  log_ += "take over by " + std::to_string(executor);
  std::array<ClaimResult, 2> claims;
  Both([&](size_t side) {
    auto claim = Of(executor, side).ClaimAbandoned(max_count);
    if (!claim.ok()) return Describe(claim.status());
    claims[side] = *std::move(claim);
    return Describe(claims[side]);
  });
  CHECK((!claims[0].has_more || claims[1].has_more));
  Note(executor, claims);
}

void Model::SweepAll() {
  log_ += "sweep";
  const size_t executor = prng_.Below(kExecutorCount);
  if (executors_[executor].is_stopped) return;
  std::array<bool, 2> has_abandoned = {};
  Both([&](size_t side) {
    const auto sweep = Of(executor, side).Await<SweepResult>([&](Reply<SweepResult> reply) {
      Of(executor, side).journal().Sweep(SweepRequest{}, std::move(reply));
    });
    if (!sweep.ok()) return std::string("no sweep\n");
    has_abandoned[side] = sweep->has_abandoned;
    Ids expired = sweep->expired_workflow_ids;
    std::sort(expired.begin(), expired.end());
    std::ostringstream out;
    out << sweep->released_count << '\n';
    for (const std::string& queue : sweep->released_queues) out << queue << '\n';
    for (const std::string& id : expired) out << id << '\n';
    return out.str();
  });
  // PostgreSQL remembers which rows it cannot take over and does not name them again.
  CHECK((has_abandoned[0] || !has_abandoned[1]));
}

void Model::OperateOne() {
  const std::string id = SomeId();
  const Ids ids = SomeIds();
  const bool is_wide = prng_.Chance(1, 3);
  const auto number = static_cast<int32_t>(prng_.Below(4));
  switch (prng_.Below(9)) {
    case 0:
      log_ += "cancel " + ids[0];
      return Both([&](size_t side) {
        return Count<int64_t>(side, [&](Journal& journal, Reply<int64_t> reply) {
          journal.Cancel(ids, is_wide, std::move(reply));
        });
      });
    case 1:
    case 2:
      log_ += "resume " + ids[0];
      return Both([&](size_t side) {
        return Count<int64_t>(side, [&](Journal& journal, Reply<int64_t> reply) {
          journal.Resume(ids, is_wide ? std::optional<std::string>("limited") : std::nullopt,
                         std::move(reply));
        });
      });
    case 3: {
      ForkRequest request;
      request.original_id = id;
      request.new_id = is_wide ? SomeId() : "f" + std::to_string(++fork_count_);
      request.start_step = number;
      if (prng_.Chance(1, 3)) request.queue_name = "workers";
      log_ += "fork " + id + " as " + request.new_id;
      return Both([&](size_t side) {
        return Status(side, [&](Journal& journal, StatusReply reply) {
          journal.Fork(request, std::move(reply));
        });
      });
    }
    case 4:
    case 5:
      log_ += "rewind " + id + " to " + std::to_string(number);
      return Both([&](size_t side) {
        return Status(side, [&](Journal& journal, StatusReply reply) {
          journal.Rewind(id, number, std::move(reply));
        });
      });
    case 6:
      log_ += "delete " + ids[0];
      return Both([&](size_t side) {
        return Count<int64_t>(side, [&](Journal& journal, Reply<int64_t> reply) {
          journal.Delete(ids, is_wide, std::move(reply));
        });
      });
    case 7:
      log_ += "priority " + id;
      return Both([&](size_t side) {
        return Status(side, [&](Journal& journal, StatusReply reply) {
          journal.SetPriority(id, number - 2, std::move(reply));
        });
      });
    default:
      log_ += "delay " + id;
      return Both([&](size_t side) {
        return Status(side, [&](Journal& journal, StatusReply reply) {
          journal.SetDelay(id, is_wide ? 10'000'000'000'001 : 1, std::move(reply));
        });
      });
  }
}

void Model::DeleteEnded() {
  log_ += "retain";
  Both([&](size_t side) {
    return Count<int64_t>(side, [&](Journal& journal, Reply<int64_t> reply) {
      RetentionRequest request;
      request.keep_newest = 0;
      journal.Retain(request, std::move(reply));
    });
  });
}

Model::State Model::Read(size_t side, bool is_thorough) {
  State state;
  Process& process = Of(0, side);
  Journal& journal = process.journal();
  WorkflowFilter filter;
  filter.with_payloads = true;
  filter.limit = kListLimitMax;
  auto rows =
      process.Await<std::vector<WorkflowRecord>>([&](Reply<std::vector<WorkflowRecord>> reply) {
        journal.ListWorkflows(filter, std::move(reply));
      });
  REQUIRE(rows.ok());
  state.rows = *std::move(rows);
  for (const WorkflowRecord& row : state.rows) {
    state.text += Describe(row);
    for (const StepRecord& step : process.Steps(row.id)) {
      state.text += Describe(step);
      state.next_step[row.id] = step.function_id + 1;
    }
    if (!is_thorough) continue;
    for (const char* key : {"a", "b"}) {
      const auto event = process.Await<std::optional<Journal::Value>>(
          [&](Reply<std::optional<Journal::Value>> reply) {
            journal.GetEvent(row.id, key, std::move(reply));
          });
      if (*event) state.text += std::string("  event ") + key + '=' + (*event)->text + '\n';
      const auto values =
          process.Await<std::vector<Journal::Value>>([&](Reply<std::vector<Journal::Value>> reply) {
            journal.ReadStream(row.id, key, 0, 1'000, std::move(reply));
          });
      for (const Journal::Value& value : *values) {
        state.text += std::string("  stream ") + key + '=' + value.text + '\n';
      }
    }
  }
  return state;
}

void Model::CheckLimits() {
  std::map<std::string, int> running;
  std::map<std::pair<std::string, std::string>, int> running_by_executor;
  std::map<std::string, int> running_by_partition;
  for (const WorkflowRecord& row : state_.rows) {
    if (row.status != WorkflowStatus::kPending || !row.queue_name) continue;
    ++running[*row.queue_name];
    ++running_by_executor[{*row.queue_name, *row.executor_id}];
    if (row.queue_name == "parts") ++running_by_partition[row.queue_partition_key.value_or("")];
  }
  CHECK(running["limited"] <= 2);
  CHECK(running["parts"] <= 3);
  CHECK(running["rated"] <= 12);
  for (const auto& [key, count] : running_by_partition) CHECK(count <= 1);
  for (const auto& [key, count] : running_by_executor) {
    if (key.first == "workers") CHECK(count <= 2);
  }
}

void Model::Step(int number) {
  log_ = "#" + std::to_string(number) + ' ';
  const uint64_t choice = prng_.Below(100);
  if (state_.rows.size() > kWorkflowCountMax) {
    DeleteEnded();
  } else if (choice < 12) {
    StartOne(/*is_queued=*/false);
  } else if (choice < 32) {
    StartOne(/*is_queued=*/true);
  } else if (choice < 60) {
    CommitOne();
  } else if (choice < 78) {
    ClaimSome();
  } else if (choice < 82) {
    TakeOver();
  } else if (choice < 86) {
    SweepAll();
  } else if (choice < 89) {
    Restart(prng_.Below(kExecutorCount));
  } else if (choice < 91) {
    Stop(prng_.Below(kExecutorCount));
  } else {
    OperateOne();
  }
  // Rows of two operations are never of the same millisecond.
  for (JournalFixture* side : sides_) side->Elapse(2);
  const bool is_thorough = number % 10 == 0;
  State memory = Read(0, is_thorough);
  State postgres = Read(1, is_thorough);
  INFO(log_);
  REQUIRE(memory.text == postgres.text);
  state_ = std::move(postgres);
  CheckLimits();
}

}  // namespace

TEST_CASE("journal: PostgreSQL and memory do the same, operation by operation",
          "[journal][model]") {
  const uint64_t first_seed = NumberOf("HOLDFAST_TEST_SEED", 20'261'121);
  const auto operation_count =
      static_cast<int>(NumberOf("HOLDFAST_MODEL_OPERATIONS", kOperationCount));
  const auto sequence_count =
      static_cast<int>(NumberOf("HOLDFAST_MODEL_SEQUENCES", kSequenceCount));
  for (int sequence = 0; sequence < sequence_count; ++sequence) {
    const uint64_t seed = first_seed + static_cast<uint64_t>(sequence);
    std::cout << "HOLDFAST_TEST_SEED=" << seed << '\n';
    INFO("seed " << seed);
    Model model(seed);
    for (int number = 0; number < operation_count; ++number) model.Step(number);
  }
}

}  // namespace holdfast::workflows
