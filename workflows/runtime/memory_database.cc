#include "workflows/runtime/memory_database.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast::workflows {
namespace {

constexpr std::string_view kNoTopic = "__null__topic__";

std::string TopicText(const std::optional<std::string>& topic) {
  return topic ? *topic : std::string(kNoTopic);
}

bool IsActive(WorkflowStatus status) { return !IsTerminal(status); }

}  // namespace

uint64_t MemoryDatabase::AddNewsSink(NewsSink sink) {
  news_sinks_.emplace(++news_sink_count_, std::move(sink));
  return news_sink_count_;
}

void MemoryDatabase::Tell(News news, const std::string& id, const std::string& key) const {
  for (const auto& [_, sink] : news_sinks_) sink(news, id, key);
}

MemoryDatabase::Row* MemoryDatabase::Find(const std::string& id) {
  const auto found = workflows_.find(id);
  return found == workflows_.end() ? nullptr : &found->second;
}

const MemoryDatabase::Row* MemoryDatabase::Find(const std::string& id) const {
  const auto found = workflows_.find(id);
  return found == workflows_.end() ? nullptr : &found->second;
}

MemoryDatabase::Row* MemoryDatabase::FindFenced(const Fence& fence) {
  Row* row = Find(fence.workflow_id);
  if (row == nullptr) return nullptr;
  if (row->record.status != WorkflowStatus::kPending) return nullptr;
  if (row->record.owner_token != fence.owner_token) return nullptr;
  return row;
}

void MemoryDatabase::Update(Row& row, absl::FunctionRef<void(WorkflowRecord&)> change) {
  const auto key = [&row] {
    return QueueKey{row.record.priority, row.created_order, row.record.id};
  };
  const auto is_indexed = [&row] {
    return row.record.status == WorkflowStatus::kEnqueued && row.record.queue_name;
  };
  if (is_indexed()) enqueued_[*row.record.queue_name].erase(key());
  if (row.record.queue_name && row.record.deduplication_id) {
    deduplication_.erase({*row.record.queue_name, *row.record.deduplication_id});
  }
  change(row.record);
  row.record.updated_at_ms = NowMs();
  if (is_indexed()) {
    enqueued_[*row.record.queue_name].insert(key());
    Tell(News::kQueue, *row.record.queue_name);
  }
  if (row.record.queue_name && row.record.deduplication_id) {
    deduplication_[{*row.record.queue_name, *row.record.deduplication_id}] = row.record.id;
  }
}

// ---- Executors
// ------------------------------------------------------------------------------------

bool MemoryDatabase::LeaseHolds(const std::string& executor_id) const {
  const auto found = executors_.find(executor_id);
  return found != executors_.end() && found->second.lease_end_ms > NowMs();
}

absl::StatusOr<int64_t> MemoryDatabase::RegisterExecutor(const ExecutorIdentity& identity,
                                                         int64_t lease_ttl_ms) {
  Executor& executor = executors_[identity.executor_id];
  if (executor.lease_end_ms > NowMs() && executor.identity.incarnation != identity.incarnation) {
    return absl::FailedPreconditionError(absl::StrCat(
        "lease is held: executor_id=", identity.executor_id, " incarnation=",
        executor.identity.incarnation, " ends_in_ms=", executor.lease_end_ms - NowMs()));
  }
  executor.identity = identity;
  ++executor.epoch;
  executor.lease_end_ms = NowMs() + lease_ttl_ms;
  const bool is_known = std::any_of(versions_.begin(), versions_.end(), [&](const auto& version) {
    return version.name == identity.application_version;
  });
  if (!is_known) {
    versions_.push_back({.id = absl::StrCat("version-", ++id_count_),
                         .name = identity.application_version,
                         .timestamp_ms = NowMs(),
                         .created_at_ms = NowMs(),
                         .application_name = identity.application_name});
  }
  return executor.epoch;
}

absl::Status MemoryDatabase::CheckLease(const ExecutorIdentity& identity) const {
  const auto found = executors_.find(identity.executor_id);
  const bool holds = found != executors_.end() &&
                     found->second.identity.incarnation == identity.incarnation &&
                     found->second.lease_end_ms > NowMs();
  if (holds) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("lease has ended: executor_id=", identity.executor_id,
                   " incarnation=", identity.incarnation));
}

absl::StatusOr<int64_t> MemoryDatabase::RenewLease(const ExecutorIdentity& identity,
                                                   int64_t lease_ttl_ms) {
  HF_RETURN_IF_ERROR(CheckLease(identity));
  Executor& executor = executors_[identity.executor_id];
  executor.lease_end_ms = NowMs() + lease_ttl_ms;
  return executor.epoch;
}

void MemoryDatabase::ReleaseLease(const ExecutorIdentity& identity) {
  const auto found = executors_.find(identity.executor_id);
  if (found == executors_.end()) return;
  if (found->second.identity.incarnation == identity.incarnation) found->second.lease_end_ms = 0;
}

// ---- Starts
// ---------------------------------------------------------------------------------------

absl::StatusOr<StartResult> MemoryDatabase::Start(const ExecutorIdentity* executor,
                                                  const StartRequest& request) {
  if (executor != nullptr) HF_RETURN_IF_ERROR(CheckLease(*executor));
  if (executor == nullptr && request.workflow.owner_token) {
    return absl::InvalidArgumentError(
        absl::StrCat("a client cannot own a workflow: id=", request.workflow.id));
  }
  for (const ApplicationRow& row : request.application_rows) {
    if (!sinks_.contains(row.sink)) {
      return absl::InvalidArgumentError(absl::StrCat("unknown sink: sink=", row.sink));
    }
  }
  StartResult result = Create(executor, request.workflow);
  if (result.outcome != StartOutcome::kCreated) return result;
  for (const ApplicationRow& row : request.application_rows) {
    const absl::Status status = sinks_.find(row.sink)->second(row.json);
    if (status.ok()) continue;
    Delete({request.workflow.id}, /*with_children=*/false);
    return status;
  }
  return result;
}

StartResult MemoryDatabase::Create(const ExecutorIdentity* executor, const NewWorkflow& workflow) {
  StartResult result;
  if (const Row* existing = Find(workflow.id)) {
    const bool is_same = existing->record.name == workflow.name &&
                         existing->record.class_name == workflow.class_name &&
                         existing->record.config_name == workflow.config_name;
    result.outcome = is_same ? StartOutcome::kExists : StartOutcome::kConflict;
    result.existing = *GetWorkflow(workflow.id, /*with_payloads=*/false);
    return result;
  }
  if (workflow.queue_name && workflow.deduplication_id) {
    const auto taken = deduplication_.find({*workflow.queue_name, *workflow.deduplication_id});
    if (taken != deduplication_.end()) {
      result.outcome = StartOutcome::kDeduplicated;
      result.existing = *GetWorkflow(taken->second, /*with_payloads=*/false);
      return result;
    }
  }
  const int64_t now_ms = NowMs();
  Row& row = workflows_[workflow.id];
  row.created_order = ++created_count_;
  row.record.id = workflow.id;
  Update(row, [&](WorkflowRecord& record) {
    record.name = workflow.name;
    record.class_name = workflow.class_name;
    record.config_name = workflow.config_name;
    record.inputs = workflow.inputs;
    record.serialization = workflow.serialization;
    record.queue_name = workflow.queue_name;
    record.queue_partition_key = workflow.queue_partition_key;
    record.deduplication_id = workflow.deduplication_id;
    record.priority = workflow.priority;
    record.application_version = workflow.application_version;
    record.application_name = workflow.application_name;
    record.timeout_ms = workflow.timeout_ms;
    record.deadline_ms = workflow.deadline_ms;
    record.parent_workflow_id = workflow.parent_workflow_id;
    record.schedule_name = workflow.schedule_name;
    record.attributes = workflow.attributes;
    record.authenticated_user = workflow.authenticated_user;
    record.assumed_role = workflow.assumed_role;
    record.authenticated_roles = workflow.authenticated_roles;
    record.created_at_ms = now_ms;
    if (workflow.owner_token) {
      HF_ASSERT(executor != nullptr);
      record.status = WorkflowStatus::kPending;
      record.owner_token = workflow.owner_token;
      record.executor_id = executor->executor_id;
      if (!record.application_version) record.application_version = executor->application_version;
      if (!record.application_name) record.application_name = executor->application_name;
      if (!record.deadline_ms && record.timeout_ms) {
        record.deadline_ms = now_ms + *record.timeout_ms;
      }
      record.recovery_attempts = 1;
    } else {
      record.executor_id = "";
      const bool is_delayed = workflow.delay_until_ms && *workflow.delay_until_ms > now_ms;
      record.delay_until_ms = workflow.delay_until_ms;
      record.status = is_delayed ? WorkflowStatus::kDelayed : WorkflowStatus::kEnqueued;
    }
  });
  return result;
}

// ---- Commits
// --------------------------------------------------------------------------------------

absl::Status MemoryDatabase::CheckCommit(const Row& row, const WorkflowCommit& commit) const {
  const auto check_step = [&row](const StepRecord& step) -> absl::Status {
    const auto found = row.steps.find(step.function_id);
    if (found == row.steps.end() || found->second == step) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("another outcome is recorded for this step: workflow_id=", row.record.id,
                     " function_id=", step.function_id, " name=", found->second.name));
  };
  for (const StepRecord& step : commit.steps) HF_RETURN_IF_ERROR(check_step(step));
  for (const Effect& effect : commit.effects) HF_RETURN_IF_ERROR(check_step(effect.step));
  for (const ApplicationRow& application_row : commit.application_rows) {
    if (!sinks_.contains(application_row.sink)) {
      return absl::InvalidArgumentError(absl::StrCat("unknown sink: sink=", application_row.sink));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CommitResult> MemoryDatabase::Commit(const ExecutorIdentity& executor,
                                                    const WorkflowCommit& commit) {
  HF_RETURN_IF_ERROR(CheckLease(executor));
  Row* row = FindFenced(commit.fence);
  CommitResult result;
  if (row == nullptr) {
    result.is_durable = false;
    return result;
  }
  HF_RETURN_IF_ERROR(CheckCommit(*row, commit));
  for (const ApplicationRow& application_row : commit.application_rows) {
    HF_RETURN_IF_ERROR(sinks_.find(application_row.sink)->second(application_row.json));
  }
  for (const StepRecord& step : commit.steps) row->steps[step.function_id] = step;
  for (const Effect& effect : commit.effects) {
    result.effects.push_back(Apply(executor, *row, effect));
  }
  if (commit.finish) {
    row->record.output = commit.finish->output;
    row->record.error = commit.finish->error;
    End(*row, commit.finish->status);
  }
  return result;
}

void MemoryDatabase::End(Row& row, WorkflowStatus status) {
  HF_ASSERT(IsTerminal(status));
  Update(row, [&](WorkflowRecord& record) {
    record.status = status;
    record.owner_token.reset();
    record.deduplication_id.reset();
    record.completed_at_ms = NowMs();
    if (status == WorkflowStatus::kCancelled) {
      record.queue_name.reset();
      record.started_at_ms.reset();
    }
    if (status == WorkflowStatus::kMaxRecoveryAttemptsExceeded) record.queue_name.reset();
  });
  Tell(News::kEnded, row.record.id);
}

EffectResult MemoryDatabase::Apply(const ExecutorIdentity& executor, Row& row,
                                   const Effect& effect) {
  struct Visitor {
    MemoryDatabase& self;
    const ExecutorIdentity& executor;
    Row& row;
    const StepRecord& step;
    EffectResult operator()(const SendEffect& send) { return self.ApplySend(row, step, send); }
    EffectResult operator()(const ReceiveEffect& receive) {
      return self.ApplyReceive(row, step, receive);
    }
    EffectResult operator()(const SetEventEffect& set) {
      return self.ApplySetEvent(row, step, set);
    }
    EffectResult operator()(const StreamEffect& stream) {
      return self.ApplyStream(row, step, stream);
    }
    EffectResult operator()(const ChildEffect& child) {
      return self.ApplyChild(executor, row, step, child);
    }
  };
  return std::visit(Visitor{*this, executor, row, effect.step}, effect.action);
}

bool MemoryDatabase::Deliver(const SendEffect& send) {
  Row* destination = Find(send.destination_id);
  if (destination == nullptr) return false;
  const std::string id = send.message_id ? absl::StrCat(*send.message_id, "::", send.destination_id)
                                         : absl::StrCat("message-", ++id_count_);
  for (const Message& message : destination->messages) {
    if (message.id == id) return true;
  }
  destination->messages.push_back(
      {.id = id,
       .topic = TopicText(send.topic),
       .value = {.text = send.message, .serialization = send.serialization},
       .consumed_by_function_id = std::nullopt});
  Tell(News::kMessage, send.destination_id, TopicText(send.topic));
  return true;
}

EffectResult MemoryDatabase::ApplySend(Row& row, const StepRecord& step, const SendEffect& send) {
  EffectResult result{.outcome = EffectOutcome::kApplied, .step = step, .child = {}};
  if (!Deliver(send)) {
    result.outcome = EffectOutcome::kMissingDestination;
    result.step.output.reset();
    result.step.error = send.missing_destination_error;
  }
  row.steps[step.function_id] = result.step;
  return result;
}

EffectResult MemoryDatabase::ApplyReceive(Row& row, const StepRecord& step,
                                          const ReceiveEffect& receive) {
  const std::string topic = TopicText(receive.topic);
  for (Message& message : row.messages) {
    if (message.consumed_by_function_id || message.topic != topic) continue;
    message.consumed_by_function_id = step.function_id;
    EffectResult result{.outcome = EffectOutcome::kApplied, .step = step, .child = {}};
    result.step.output = message.value.text;
    result.step.serialization = message.value.serialization.value_or("");
    row.steps[step.function_id] = result.step;
    return result;
  }
  return {.outcome = EffectOutcome::kNoMessage, .step = step, .child = {}};
}

EffectResult MemoryDatabase::ApplySetEvent(Row& row, const StepRecord& step,
                                           const SetEventEffect& set) {
  row.events[set.key].push_back({.function_id = step.function_id,
                                 .value = {.text = set.value, .serialization = set.serialization}});
  row.steps[step.function_id] = step;
  Tell(News::kEvent, row.record.id, set.key);
  return {.outcome = EffectOutcome::kApplied, .step = step, .child = {}};
}

EffectResult MemoryDatabase::ApplyStream(Row& row, const StepRecord& step,
                                         const StreamEffect& stream) {
  std::vector<StreamValue>& values = row.streams[stream.key];
  if (!values.empty() && values.back().value.text == kStreamClosedMarker) {
    return {.outcome = EffectOutcome::kRefused, .step = step, .child = {}};
  }
  values.push_back({.function_id = step.function_id,
                    .value = {.text = stream.value, .serialization = stream.serialization}});
  row.steps[step.function_id] = step;
  Tell(News::kStream, row.record.id, stream.key);
  return {.outcome = EffectOutcome::kApplied, .step = step, .child = {}};
}

EffectResult MemoryDatabase::ApplyChild(const ExecutorIdentity& executor, Row& row,
                                        const StepRecord& step, const ChildEffect& child) {
  EffectResult result{.outcome = EffectOutcome::kApplied, .step = step, .child = {}};
  result.child = Create(&executor, child.child);
  switch (result.child->outcome) {
    case StartOutcome::kCreated:
      break;
    case StartOutcome::kExists:
      result.outcome = EffectOutcome::kChildExists;
      break;
    case StartOutcome::kConflict:
    case StartOutcome::kDeduplicated:
      result.outcome = EffectOutcome::kChildConflict;
      return result;
  }
  row.steps[step.function_id] = step;
  return result;
}

// ---- Claims
// ---------------------------------------------------------------------------------------

int32_t MemoryDatabase::ClaimRoom(const ClaimRequest& request, const std::string* partition) const {
  const QueueConfig& queue = request.queue;
  const auto& concurrency = partition ? queue.partition_concurrency : queue.concurrency;
  const auto& worker = partition ? queue.partition_worker_concurrency : queue.worker_concurrency;
  const auto& rate = partition ? queue.partition_rate_limit : queue.rate_limit;
  int64_t running_count = 0;
  int64_t started_count = 0;
  for (const auto& [_, row] : workflows_) {
    if (row.record.queue_name != queue.name) continue;
    if (partition && row.record.queue_partition_key != *partition) continue;
    if (row.record.status == WorkflowStatus::kPending) ++running_count;
    if (rate && row.is_rate_limited && row.record.started_at_ms &&
        static_cast<double>(*row.record.started_at_ms) >
            static_cast<double>(NowMs()) - rate->period_s * 1e3) {
      ++started_count;
    }
  }
  int64_t room = std::numeric_limits<int32_t>::max();
  if (concurrency) room = std::min<int64_t>(room, *concurrency - running_count);
  if (rate) room = std::min<int64_t>(room, rate->max_starts - started_count);
  if (worker) {
    int32_t running_here = request.running_here;
    if (partition) {
      running_here = 0;
      for (const auto& [key, count] : request.running_here_by_partition) {
        if (key == *partition) running_here = count;
      }
    }
    room = std::min<int64_t>(room, *worker - running_here);
  }
  return static_cast<int32_t>(std::max<int64_t>(room, 0));
}

bool MemoryDatabase::IsClaimable(const ExecutorIdentity& executor, const Row& row,
                                 const std::vector<std::string>& names,
                                 bool is_latest_version) const {
  if (std::find(names.begin(), names.end(), row.record.name) == names.end()) return false;
  const auto& version = row.record.application_version;
  if (version ? *version != executor.application_version : !is_latest_version) return false;
  const auto& application = row.record.application_name;
  return !application || *application == executor.application_name;
}

bool MemoryDatabase::Claim(const ExecutorIdentity& executor, Row& row,
                           int64_t max_recovery_attempts, ClaimResult& result) {
  const int64_t now_ms = NowMs();
  if (row.record.recovery_attempts + 1 > max_recovery_attempts + 1) {
    End(row, WorkflowStatus::kMaxRecoveryAttemptsExceeded);
    ++result.dead_letter_count;
    return false;
  }
  ClaimedWorkflow claimed;
  claimed.owner_token = absl::StrCat(executor.incarnation, "-db", ++token_count_);
  Update(row, [&](WorkflowRecord& record) {
    record.status = WorkflowStatus::kPending;
    record.owner_token = claimed.owner_token;
    record.executor_id = executor.executor_id;
    record.application_version = executor.application_version;
    if (!record.application_name) record.application_name = executor.application_name;
    record.started_at_ms = now_ms;
    ++record.recovery_attempts;
    if (!record.deadline_ms && record.timeout_ms) record.deadline_ms = now_ms + *record.timeout_ms;
  });
  claimed.workflow = row.record;
  for (const auto& [_, step] : row.steps) claimed.steps.push_back(step);
  result.workflows.push_back(std::move(claimed));
  return true;
}

absl::StatusOr<ClaimResult> MemoryDatabase::ClaimQueued(const ExecutorIdentity& executor,
                                                        const ClaimRequest& request) {
  HF_ASSERT(request.max_count > 0);
  HF_RETURN_IF_ERROR(CheckLease(executor));
  ClaimResult result;
  const QueueConfig& queue = request.queue;
  int32_t room = ClaimRoom(request, nullptr);
  std::map<std::string, int32_t> partition_room;
  // A copy: claiming changes the index.
  const std::set<QueueKey> keys = enqueued_[queue.name];
  for (const QueueKey& key : keys) {
    Row& row = *Find(std::get<2>(key));
    if (!IsClaimable(executor, row, request.workflow_names, request.is_latest_version)) continue;
    int32_t* room_here = nullptr;
    if (queue.is_partitioned) {
      if (!row.record.queue_partition_key) continue;
      const std::string& partition = *row.record.queue_partition_key;
      const auto [entry, is_new] = partition_room.emplace(partition, 0);
      if (is_new) entry->second = ClaimRoom(request, &partition);
      room_here = &entry->second;
      if (*room_here == 0) continue;
    }
    if (room == 0) break;
    if (static_cast<int32_t>(result.workflows.size()) == request.max_count) {
      result.has_more = true;
      break;
    }
    if (!Claim(executor, row, request.max_recovery_attempts, result)) continue;
    row.is_rate_limited = queue.rate_limit || queue.partition_rate_limit;
    --room;
    if (room_here != nullptr) --*room_here;
  }
  return result;
}

bool MemoryDatabase::IsAbandoned(const ExecutorIdentity& self, const Row& row) const {
  const std::string& owner = row.record.executor_id.value_or("");
  if (owner == self.executor_id) {
    return !absl::StartsWith(row.record.owner_token.value_or(""),
                             absl::StrCat(self.incarnation, "-"));
  }
  return executors_.contains(owner) && !LeaseHolds(owner);
}

absl::StatusOr<ClaimResult> MemoryDatabase::ClaimAbandoned(const ExecutorIdentity& executor,
                                                           const AdoptRequest& request) {
  HF_ASSERT(request.max_count > 0);
  HF_RETURN_IF_ERROR(CheckLease(executor));
  ClaimResult result;
  std::set<std::pair<uint64_t, std::string>> oldest_first;
  for (const auto& [id, row] : workflows_) {
    if (row.record.status != WorkflowStatus::kPending) continue;
    if (!IsAbandoned(executor, row)) continue;
    if (row.record.application_version != executor.application_version) continue;
    const auto& application = row.record.application_name;
    if (application && *application != executor.application_name) continue;
    oldest_first.emplace(row.created_order, id);
  }
  int32_t count = 0;
  for (const auto& [_, id] : oldest_first) {
    Row& row = *Find(id);
    const auto& names = request.workflow_names;
    const bool is_known = std::find(names.begin(), names.end(), row.record.name) != names.end();
    if (!row.record.queue_name && !is_known) continue;
    if (count == request.max_count) {
      result.has_more = true;
      break;
    }
    ++count;
    if (row.record.queue_name) {
      const std::string queue_name = *row.record.queue_name;
      Enqueue(row, queue_name);
    } else {
      Claim(executor, row, request.max_recovery_attempts, result);
    }
  }
  return result;
}

SweepResult MemoryDatabase::Sweep(const ExecutorIdentity& executor, const SweepRequest& request) {
  SweepResult result;
  const int64_t now_ms = NowMs();
  std::optional<int64_t> next_due_ms;
  const auto note = [&next_due_ms](int64_t due_ms) {
    next_due_ms = std::min(next_due_ms.value_or(due_ms), due_ms);
  };
  std::set<std::string> queues;
  for (auto& [id, row] : workflows_) {
    if (!IsActive(row.record.status)) continue;
    if (row.record.deadline_ms && *row.record.deadline_ms <= now_ms) {
      if (static_cast<int32_t>(result.expired_workflow_ids.size()) == request.max_rows) {
        result.has_more = true;
        continue;
      }
      End(row, WorkflowStatus::kCancelled);
      Tell(News::kChanged, id);
      result.expired_workflow_ids.push_back(id);
      continue;
    }
    if (row.record.deadline_ms) note(*row.record.deadline_ms);
    if (row.record.status == WorkflowStatus::kDelayed) {
      const int64_t due_ms = row.record.delay_until_ms.value_or(now_ms);
      if (due_ms > now_ms) {
        note(due_ms);
      } else if (result.released_count == request.max_rows) {
        result.has_more = true;
      } else {
        Update(row, [](WorkflowRecord& record) { record.status = WorkflowStatus::kEnqueued; });
        ++result.released_count;
        if (row.record.queue_name) queues.insert(*row.record.queue_name);
      }
    }
    if (row.record.status == WorkflowStatus::kPending && IsAbandoned(executor, row) &&
        row.record.application_version == executor.application_version) {
      result.has_abandoned = true;
    }
  }
  for (const auto& [id, other] : executors_) {
    if (id != executor.executor_id && other.lease_end_ms > now_ms) note(other.lease_end_ms);
  }
  result.released_queues.assign(queues.begin(), queues.end());
  if (next_due_ms) result.next_due_in_ms = *next_due_ms - now_ms;
  return result;
}

}  // namespace holdfast::workflows
