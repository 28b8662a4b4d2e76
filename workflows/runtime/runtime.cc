#include "workflows/runtime/runtime.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "workflows/runtime/duration.h"
#include "workflows/runtime/schedules.h"
#include "workflows/runtime/text.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows {
namespace {

using internal::IfAlive;
using internal::OwnedWorkflow;

RuntimeObserver& NullObserver() {
  static RuntimeObserver observer;
  return observer;
}

std::string WatchName(std::string_view workflow_id, std::string_view key) {
  return absl::StrCat(AbslView(workflow_id), absl::string_view("\0", 1), AbslView(key));
}

absl::Status StartError(const std::string& id, const StartResult& result) {
  if (result.outcome == StartOutcome::kDeduplicated) {
    return MakeWorkflowError(
        "DBOSQueueDuplicatedError",
        absl::StrCat("the queue holds a workflow with this deduplication id: id=", id,
                     " holder=", result.existing.id),
        {}, nullptr, absl::StatusCode::kAlreadyExists);
  }
  return MakeWorkflowError(
      "DBOSConflictingWorkflowError",
      absl::StrCat("the id belongs to another workflow: id=", id, " name=", result.existing.name),
      {}, nullptr, absl::StatusCode::kAlreadyExists);
}

}  // namespace

RuntimeObserver::~RuntimeObserver() = default;
void RuntimeObserver::OnParked(std::string_view, std::string_view, const absl::Status&) {}
void RuntimeObserver::OnDeadLetters(int64_t) {}
void RuntimeObserver::OnLeaseGranted(int64_t) {}
void RuntimeObserver::OnLeaseLost(std::string_view, size_t) {}
void RuntimeObserver::OnAvailability(bool) {}
void RuntimeObserver::OnTrouble(std::string_view, const absl::Status&) {}

std::string internal::RunServices::NewUuid() {
  static constexpr char kDigits[] = "0123456789abcdef";
  uint64_t words[2] = {prng_.Next(), prng_.Next()};
  std::string text(36, '-');
  size_t at = 0;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) ++at;
    uint64_t& word = words[i / 16];
    uint64_t digit = word >> 60;
    word <<= 4;
    if (i == 12) digit = 4;                 // version: random
    if (i == 16) digit = 8 | (digit & 3u);  // variant
    text[at++] = kDigits[digit];
  }
  return text;
}

Runtime::Runtime(RuntimeOptions options, Reactor& reactor, Journal& journal, BlockingPool& pool,
                 Prng seed, RuntimeObserver* observer)
    : internal::RunServices(reactor, journal, pool, seed),
      options_(std::move(options)),
      observer_(observer != nullptr ? *observer : NullObserver()),
      waiters_(reactor, journal, [this](const std::string& id) { return runs_.contains(id); }),
      claims_(reactor, journal, *this,
              {options_.claim_batch_first, options_.claim_batch_max, options_.recovery_attempts_max,
               options_.queue_look_interval_s}),
      schedules_(std::make_unique<internal::ScheduleRunner>(*this, reactor, journal, prng())) {
  HF_ASSERT(options_.Validate().ok());
  ListenQueue(std::string(kInternalQueueName));
  journal.SetListener(this);
}

Runtime::~Runtime() {
  is_alive_.reset();
  journal().SetListener(nullptr);
  StopWork();
  if (register_timer_.has_value()) reactor().CancelTimer(*register_timer_);
  if (drain_timer_.has_value()) reactor().CancelTimer(*drain_timer_);
  const std::vector<RunRef> runs = SortedRuns();
  runs_.clear();
  for (const RunRef& run : runs) run->Drop(/*keeps_children=*/false);
}

void Runtime::RegisterFunction(std::string name,
                               std::unique_ptr<internal::WorkflowFunction> function,
                               RegisterOptions options) {
  HF_ASSERT(state_ == State::kIdle);
  workflow_names_.push_back(name);
  const bool is_new =
      registry_.try_emplace(std::move(name), Registration{std::move(function), std::move(options)})
          .second;
  HF_ASSERT(is_new);
}

void Runtime::RegisterQueue(QueueConfig config) {
  HF_ASSERT(state_ == State::kIdle);
  claims_.Serve(config);
  registered_queues_.push_back(std::move(config));
}

void Runtime::ListenQueue(std::string name) {
  QueueConfig config;
  config.name = std::move(name);
  claims_.Serve(config);
}

std::string Runtime::NewOwnerToken() {
  return absl::StrCat(identity_.incarnation, "-", absl::Hex(prng().Next(), absl::kZeroPad16));
}

bool Runtime::IsRegistered(std::string_view workflow_name) const {
  return registry_.contains(AbslView(workflow_name));
}

bool Runtime::Describe(NewWorkflow& workflow) const {
  if (!options_.application_name.empty()) workflow.application_name = options_.application_name;
  const auto found = registry_.find(workflow.name);
  if (found == registry_.end()) return false;
  workflow.class_name = found->second.options.class_name;
  workflow.config_name = found->second.options.config_name;
  return true;
}

RuntimeStats Runtime::stats() const {
  RuntimeStats stats = stats_;
  stats.holds_lease = state_ == State::kHolding || state_ == State::kDraining;
  stats.is_available = is_available_;
  stats.is_draining = state_ == State::kDraining;
  stats.lease_epoch = lease_.epoch;
  stats.run_count = runs_.size();
  stats.claimed_run_count = claimed_run_count_;
  stats.result_waiter_count = waiters_.size();
  stats.waiting_start_count = waiting_starts_.size();
  return stats;
}

// ---- Callers ------------------------------------------------------------------------------------

NewWorkflow Runtime::MakeWorkflow(std::string name, StartOptions& options, std::string inputs) {
  NewWorkflow workflow;
  workflow.id = options.id.has_value() ? *std::move(options.id) : NewUuid();
  workflow.name = std::move(name);
  Describe(workflow);
  workflow.inputs = std::move(inputs);
  workflow.serialization = std::string(PayloadFormatName(PayloadFormat::kPortableJson));
  if (options.timeout_s.has_value()) {
    workflow.timeout_ms = SecondsToMs(*options.timeout_s);
  }
  workflow.deadline_ms = options.deadline_ms;
  workflow.attributes = std::move(options.attributes);
  workflow.authenticated_user = std::move(options.authenticated_user);
  workflow.assumed_role = std::move(options.assumed_role);
  workflow.authenticated_roles = std::move(options.authenticated_roles);
  workflow.application_version = std::move(options.application_version);
  return workflow;
}

void Runtime::Start(std::string name, StartOptions options, std::string inputs,
                    Reply<StartedWorkflow> reply) {
  absl::Status refusal;
  if (!IsRegistered(name)) {
    refusal = absl::NotFoundError(absl::StrCat("no such workflow is registered: name=", name));
  } else if (state_ == State::kIdle) {
    refusal = absl::FailedPreconditionError("the runtime is not launched");
  } else if (state_ == State::kDraining || state_ == State::kStopped) {
    refusal = absl::UnavailableError("the runtime is shutting down");
  } else if (runs_.size() + starting_count_ >= options_.run_count_max) {
    refusal = absl::ResourceExhaustedError(
        absl::StrCat("too many workflows in memory: count=", runs_.size()));
  } else if (state_ == State::kRegistering &&
             waiting_starts_.size() >= options_.waiting_start_count_max) {
    refusal = absl::ResourceExhaustedError("too many starts wait for the lease");
  }
  if (!refusal.ok()) {
    reactor().Post([reply = std::move(reply), refusal]() mutable { reply(refusal); });
    return;
  }
  if (state_ == State::kRegistering) {
    waiting_starts_.push_back([this, name = std::move(name), options = std::move(options),
                               inputs = std::move(inputs),
                               reply = std::move(reply)](const absl::Status& status) mutable {
      if (!status.ok()) return reply(status);
      Start(std::move(name), std::move(options), std::move(inputs), std::move(reply));
    });
    return;
  }
  StartRequest request;
  request.workflow = MakeWorkflow(std::move(name), options, std::move(inputs));
  request.workflow.owner_token = NewOwnerToken();
  request.application_rows = std::move(options.application_rows);
  SendStart(std::move(request), std::move(reply));
}

void Runtime::SendStart(StartRequest request, Reply<StartedWorkflow> reply) {
  const NewWorkflow& workflow = request.workflow;
  OwnedWorkflow owned{workflow.id,     workflow.name,          *workflow.owner_token,
                      workflow.inputs, workflow.serialization, workflow.deadline_ms};
  if (!owned.deadline_ms.has_value() && workflow.timeout_ms.has_value()) {
    owned.deadline_ms = NowMs() + *workflow.timeout_ms;
  }
  ++starting_count_;
  journal().Start(
      std::move(request),
      IfAlive(is_alive_, [this, session = session_, owned = std::move(owned),
                          reply = std::move(reply)](absl::StatusOr<StartResult> result) mutable {
        OnStarted(session, std::move(owned), std::move(result), std::move(reply));
      }));
}

void Runtime::OnStarted(uint64_t session, OwnedWorkflow owned, absl::StatusOr<StartResult> result,
                        Reply<StartedWorkflow> reply) {
  --starting_count_;
  if (!result.ok()) {
    if (result.status().code() == absl::StatusCode::kPermissionDenied ||
        result.status().code() == absl::StatusCode::kDataLoss) {
      if (session == session_) OnWriteRefused(result.status());
      return reply(absl::UnavailableError(
          absl::StrCat("the executor lost its lease: ", result.status().message())));
    }
    return reply(result.status());
  }
  StartedWorkflow started{owned.id, result->outcome};
  if (result->outcome == StartOutcome::kCreated) {
    ++stats_.started_count;
    // Recorded under a lease that is gone since: recovery brings it back.
    if (session == session_) RunOwned(std::move(owned));
    return reply(std::move(started));
  }
  if (result->outcome == StartOutcome::kExists) return reply(std::move(started));
  reply(StartError(owned.id, *result));
}

void Runtime::RunWaitingStarts() {
  auto starts = std::exchange(waiting_starts_, {});
  for (auto& start : starts) start(absl::OkStatus());
}

void Runtime::FailWaitingStarts(const absl::Status& status) {
  auto starts = std::exchange(waiting_starts_, {});
  for (auto& start : starts) start(status);
}

void Runtime::Enqueue(std::string queue_name, std::string name, StartOptions options,
                      std::string inputs, Reply<StartedWorkflow> reply) {
  StartRequest request;
  request.workflow = MakeWorkflow(std::move(name), options, std::move(inputs));
  NewWorkflow& workflow = request.workflow;
  workflow.queue_name = std::move(queue_name);
  workflow.queue_partition_key = std::move(options.partition_key);
  workflow.deduplication_id = std::move(options.deduplication_id);
  workflow.priority = options.priority;
  if (options.delay_s.has_value()) {
    workflow.delay_until_ms = NowMs() + SecondsToMs(*options.delay_s);
  }
  request.application_rows = std::move(options.application_rows);
  EnqueueWorkflow(std::move(request), std::move(reply));
}

void Runtime::EnqueueWorkflow(StartRequest request, Reply<StartedWorkflow> reply) {
  const NewWorkflow& workflow = request.workflow;
  journal().Start(std::move(request),
                  IfAlive(is_alive_, [this, id = workflow.id, queue_name = *workflow.queue_name,
                                      delay_until_ms = workflow.delay_until_ms,
                                      deadline_ms = workflow.deadline_ms, reply = std::move(reply)](
                                         absl::StatusOr<StartResult> result) mutable {
                    if (!result.ok()) return reply(result.status());
                    if (result->outcome == StartOutcome::kCreated) {
                      OnEnqueued(queue_name, delay_until_ms, deadline_ms);
                    } else if (result->outcome != StartOutcome::kExists) {
                      return reply(StartError(id, *result));
                    }
                    reply(StartedWorkflow{std::move(id), result->outcome});
                  }));
}

uint64_t Runtime::AwaitResult(std::string workflow_id, Reply<WorkflowResult> reply) {
  return waiters_.Await(std::move(workflow_id), std::move(reply));
}

void Runtime::StopAwaiting(uint64_t key) { waiters_.Stop(key); }

void Runtime::TriggerSchedule(std::string schedule_name, Reply<StartedWorkflow> reply) {
  schedules_->Trigger(std::move(schedule_name), std::move(reply));
}

void Runtime::Refresh() { ScheduleRefresh(0); }

// ---- Runs ---------------------------------------------------------------------------------------

void Runtime::BeginRun(OwnedWorkflow workflow, std::vector<StepRecord> steps, bool is_claimed,
                       std::string queue_name, std::optional<std::string> partition_key) {
  const auto registration = registry_.find(workflow.name);
  if (registration == registry_.end()) {
    return observer_.OnTrouble("claimed a workflow that is not registered",
                               absl::NotFoundError(workflow.name));
  }
  RunRef& slot = runs_[workflow.id];
  if (slot) RemoveRun(*RunRef(slot));  // its row was handed out anew
  RunRef run(new Run(*this, std::move(workflow), std::move(steps)));
  run->queue_name = std::move(queue_name);
  run->partition_key = std::move(partition_key);
  run->is_claimed = is_claimed;
  runs_[run->id()] = run;
  if (is_claimed) ++claimed_run_count_;
  if (!run->queue_name.empty()) claims_.OnAdmitted(run->queue_name, run->partition_key);
  if (run->deadline_ms().has_value()) SweepAtWall(*run->deadline_ms());
  waiters_.OnRunsHere(run->id());
  run->Begin(*registration->second.function);
}

void Runtime::RemoveRun(Run& run) {
  const RunRef held(&run);
  const auto found = runs_.find(run.id());
  if (found == runs_.end() || found->second.get() != &run) return;
  runs_.erase(found);
  run.Drop(/*keeps_children=*/true);
  if (!run.queue_name.empty()) claims_.OnEnded(run.queue_name, run.partition_key);
  if (run.is_claimed) --claimed_run_count_;
  // Refilled when half of the room is free, not one by one.
  if (claim_room() * 2 >= options_.claimed_run_count_max) {
    claims_.OnRoom();
    RecoverMoreIfRoom();
  }
  if (state_ == State::kDraining && runs_.empty()) {
    reactor().Post(IfAlive(is_alive_, [this] { FinishDrain(); }));
  }
}

std::vector<Runtime::RunRef> Runtime::SortedRuns() const {
  std::vector<RunRef> runs;
  runs.reserve(runs_.size());
  for (const auto& [_, run] : runs_) runs.push_back(run);
  std::sort(runs.begin(), runs.end(),
            [](const RunRef& left, const RunRef& right) { return left->id() < right->id(); });
  return runs;
}

void Runtime::DropAllRuns() {
  const std::vector<RunRef> runs = SortedRuns();
  runs_.clear();
  claimed_run_count_ = 0;
  for (const RunRef& run : runs) {
    run->Drop(/*keeps_children=*/false);
    waiters_.LookSoon(run->id());
  }
  stats_.lost_run_count += static_cast<int64_t>(runs.size());
}

void Runtime::OnRunEnded(Run& run, WorkflowResult result) {
  const RunRef held(&run);
  switch (result.status) {
    case WorkflowStatus::kSuccess:
      ++stats_.succeeded_count;
      break;
    case WorkflowStatus::kError:
      ++stats_.failed_count;
      break;
    case WorkflowStatus::kMaxRecoveryAttemptsExceeded:
      ++stats_.parked_count;
      break;
    case WorkflowStatus::kPending:
    case WorkflowStatus::kEnqueued:
    case WorkflowStatus::kDelayed:
    case WorkflowStatus::kCancelled:
      HF_ASSERT(!"a run ends in success, in error or parked");
  }
  RemoveRun(run);
  waiters_.OnEnded(run.id(), result);
}

void Runtime::OnRunLost(Run& run) {
  const RunRef held(&run);
  ++stats_.lost_run_count;
  RemoveRun(run);
  waiters_.LookSoon(run.id());
}

void Runtime::OnRunParked(const Run& run, const absl::Status& reason) {
  observer_.OnParked(run.id(), run.name(), reason);
}

void Runtime::OnWriteRefused(const absl::Status& status) {
  // Every run is asked the same and answers the same: once is enough.
  if (state_ == State::kHolding || state_ == State::kDraining) LoseLeaseSoon(status.ToString());
}

void Runtime::RunOwned(OwnedWorkflow workflow) {
  if (state_ != State::kHolding && state_ != State::kDraining) return;
  BeginRun(std::move(workflow), {}, /*is_claimed=*/false, "", std::nullopt);
}

void Runtime::OnEnqueued(const std::string& queue_name, std::optional<int64_t> delay_until_ms,
                         std::optional<int64_t> deadline_ms) {
  if (delay_until_ms.has_value()) {
    SweepAtWall(*delay_until_ms);
  } else {
    claims_.OnNews(queue_name);
  }
  if (deadline_ms.has_value()) SweepAtWall(*deadline_ms);
}

uint64_t Runtime::AwaitEnd(std::string workflow_id, Reply<WorkflowResult> reply) {
  return waiters_.Await(std::move(workflow_id), std::move(reply));
}

void Runtime::StopAwaitingEnd(uint64_t key) { waiters_.Stop(key); }

uint64_t Runtime::WatchEvent(std::string workflow_id, std::string key, Callback callback) {
  const uint64_t watch = ++event_watch_count_;
  std::string name = WatchName(workflow_id, key);
  event_watches_by_name_[name].push_back(watch);
  event_watches_.emplace(
      watch, std::make_shared<EventWatch>(EventWatch{std::move(name), std::move(callback)}));
  return watch;
}

void Runtime::StopWatchingEvent(uint64_t key) {
  const auto found = event_watches_.find(key);
  if (found == event_watches_.end()) return;
  const auto named = event_watches_by_name_.find(found->second->name);
  std::erase(named->second, key);
  if (named->second.empty()) event_watches_by_name_.erase(named);
  event_watches_.erase(found);
}

// ---- Claims -------------------------------------------------------------------------------------

size_t Runtime::claim_room() const {
  if (state_ != State::kHolding) return 0;
  const size_t count = runs_.size() + starting_count_;
  if (count >= options_.run_count_max) return 0;
  if (claimed_run_count_ >= options_.claimed_run_count_max) return 0;
  return std::min(options_.run_count_max - count,
                  options_.claimed_run_count_max - claimed_run_count_);
}

void Runtime::Admit(ClaimedWorkflow claimed) {
  ++stats_.claimed_count;
  WorkflowRecord& row = claimed.workflow;
  OwnedWorkflow owned{std::move(row.id),
                      std::move(row.name),
                      std::move(claimed.owner_token),
                      std::move(row.inputs),
                      std::move(row.serialization).value_or(""),
                      row.deadline_ms};
  BeginRun(std::move(owned), std::move(claimed.steps), /*is_claimed=*/true,
           std::move(row.queue_name).value_or(""), std::move(row.queue_partition_key));
}

void Runtime::OnDeadLetters(int64_t count) {
  if (count == 0) return;
  stats_.dead_letter_count += count;
  observer_.OnDeadLetters(count);
}

void Runtime::OnClaimRefused(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kPermissionDenied ||
      status.code() == absl::StatusCode::kDataLoss) {
    return OnWriteRefused(status);
  }
  observer_.OnTrouble("claim", status);
}

// ---- News ---------------------------------------------------------------------------------------

void Runtime::OnQueueChanged(std::string_view queue_name) { claims_.OnNews(queue_name); }

void Runtime::OnMessage(std::string_view workflow_id, std::string_view) {
  const auto found = runs_.find(AbslView(workflow_id));
  if (found != runs_.end()) RunRef(found->second)->OnMessage();
}

void Runtime::OnEvent(std::string_view workflow_id, std::string_view key) {
  const auto found = event_watches_by_name_.find(WatchName(workflow_id, key));
  if (found == event_watches_by_name_.end()) return;
  const std::vector<uint64_t> watches = found->second;
  for (const uint64_t watch : watches) {
    const auto entry = event_watches_.find(watch);
    if (entry == event_watches_.end()) continue;
    const std::shared_ptr<EventWatch> held = entry->second;
    held->callback();
  }
}

void Runtime::OnStream(std::string_view, std::string_view) {}

void Runtime::OnWorkflowEnded(std::string_view workflow_id) { waiters_.LookSoon(workflow_id); }

void Runtime::OnWorkflowChanged(std::string_view workflow_id) {
  const auto found = runs_.find(AbslView(workflow_id));
  if (found != runs_.end()) LookAtRow(*found->second);
}

void Runtime::LookAtRow(Run& run) {
  if (std::exchange(run.is_lookup_under_way, true)) return;
  journal().GetWorkflow(
      run.id(), /*with_payloads=*/false,
      IfAlive(is_alive_,
              [this, held = RunRef(&run)](absl::StatusOr<std::optional<WorkflowRecord>> record) {
                held->is_lookup_under_way = false;
                if (!record.ok() || held->is_dropped()) return;
                const bool is_ours = record->has_value() &&
                                     (*record)->status == WorkflowStatus::kPending &&
                                     (*record)->owner_token == held->owner_token();
                // A run whose own end is on its way hears of it from its commit.
                if (!is_ours && !held->is_ending()) OnRunLost(*held);
              }));
}

void Runtime::OnNewsLost() {
  claims_.OnAnyNews();
  waiters_.LookAtAll();
  const std::vector<RunRef> runs = SortedRuns();
  for (const RunRef& run : runs) run->OnMessage();
  std::vector<std::shared_ptr<EventWatch>> watches;
  for (const auto& [_, watch] : event_watches_) watches.push_back(watch);
  for (const auto& watch : watches) watch->callback();
  SweepAt(NowNs());
}

void Runtime::OnAvailability(bool is_available) {
  is_available_ = is_available;
  observer_.OnAvailability(is_available);
}

void Runtime::OnDataLoss(std::string_view what) { LoseLeaseSoon(std::string(what)); }

}  // namespace holdfast::workflows
