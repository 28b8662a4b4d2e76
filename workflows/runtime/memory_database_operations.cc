// The reads and the operator's calls of the tables in memory.

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "nlohmann/json.hpp"
#include "workflows/runtime/memory_database.h"

namespace holdfast::workflows {
namespace {

template <class T>
bool IsAmong(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

// PostgreSQL's @> for objects: every key of `part` is in `whole` with a value that contains it.
bool Contains(const nlohmann::json& whole, const nlohmann::json& part) {
  if (!part.is_object() || !whole.is_object()) return whole == part;
  for (const auto& [key, value] : part.items()) {
    if (!whole.contains(key) || !Contains(whole.at(key), value)) return false;
  }
  return true;
}

bool MatchesAttributes(const std::optional<std::string>& whole,
                       const std::optional<std::string>& part) {
  if (!part) return true;
  if (!whole) return false;
  const auto parsed_whole = nlohmann::json::parse(*whole, nullptr, /*allow_exceptions=*/false);
  const auto parsed_part = nlohmann::json::parse(*part, nullptr, /*allow_exceptions=*/false);
  return Contains(parsed_whole, parsed_part);
}

template <class T>
bool IsUnsetOrEqual(const std::optional<T>& wanted, const std::optional<T>& value) {
  return !wanted || wanted == value;
}

bool Matches(const WorkflowFilter& filter, const WorkflowRecord& record) {
  return IsAmong(filter.ids, record.id) && IsAmong(filter.statuses, record.status) &&
         IsAmong(filter.names, record.name) &&
         (!filter.id_prefix || absl::StartsWith(record.id, *filter.id_prefix)) &&
         IsUnsetOrEqual(filter.queue_name, record.queue_name) &&
         (!filter.is_queued_only || (record.queue_name && !IsTerminal(record.status))) &&
         IsUnsetOrEqual(filter.executor_id, record.executor_id) &&
         IsUnsetOrEqual(filter.application_version, record.application_version) &&
         IsUnsetOrEqual(filter.authenticated_user, record.authenticated_user) &&
         IsUnsetOrEqual(filter.parent_workflow_id, record.parent_workflow_id) &&
         IsUnsetOrEqual(filter.forked_from, record.forked_from) &&
         IsUnsetOrEqual(filter.schedule_name, record.schedule_name) &&
         MatchesAttributes(record.attributes, filter.attributes) &&
         (!filter.created_from_ms || record.created_at_ms >= *filter.created_from_ms) &&
         (!filter.created_to_ms || record.created_at_ms <= *filter.created_to_ms);
}

std::string StatusText(WorkflowStatus status) { return std::string(WorkflowStatusName(status)); }

absl::Status NotFound(const char* what, const std::string& id) {
  return absl::NotFoundError(absl::StrCat(what, " does not exist: id=", id));
}

bool HasSucceededOrFailed(WorkflowStatus status) {
  return status == WorkflowStatus::kSuccess || status == WorkflowStatus::kError;
}

}  // namespace

// ---- Reads
// ----------------------------------------------------------------------------------------

std::optional<WorkflowRecord> MemoryDatabase::GetWorkflow(const std::string& id,
                                                          bool with_payloads) const {
  const Row* row = Find(id);
  if (row == nullptr) return std::nullopt;
  WorkflowRecord record = row->record;
  if (!with_payloads) {
    record.inputs.reset();
    record.output.reset();
    record.error.reset();
  }
  return record;
}

std::vector<WorkflowRecord> MemoryDatabase::ListWorkflows(const WorkflowFilter& filter) const {
  std::vector<const Row*> rows;
  for (const auto& [_, row] : workflows_) {
    if (Matches(filter, row.record)) rows.push_back(&row);
  }
  std::sort(rows.begin(), rows.end(), [&filter](const Row* left, const Row* right) {
    return filter.is_newest_first ? left->created_order > right->created_order
                                  : left->created_order < right->created_order;
  });
  std::vector<WorkflowRecord> result;
  const size_t first = static_cast<size_t>(std::max(filter.offset, 0));
  const size_t limit = static_cast<size_t>(std::clamp(filter.limit, 0, kListLimitMax));
  for (size_t i = first; i < rows.size() && result.size() < limit; ++i) {
    result.push_back(*GetWorkflow(rows[i]->record.id, filter.with_payloads));
  }
  return result;
}

std::vector<StepRecord> MemoryDatabase::ListSteps(const std::string& workflow_id) const {
  std::vector<StepRecord> result;
  if (const Row* row = Find(workflow_id)) {
    for (const auto& [_, step] : row->steps) result.push_back(step);
  }
  return result;
}

std::optional<Journal::Value> MemoryDatabase::GetEvent(const std::string& workflow_id,
                                                       const std::string& key) const {
  const Row* row = Find(workflow_id);
  if (row == nullptr) return std::nullopt;
  const auto found = row->events.find(key);
  if (found == row->events.end() || found->second.empty()) return std::nullopt;
  return found->second.back().value;
}

std::vector<Journal::Value> MemoryDatabase::ReadStream(const std::string& workflow_id,
                                                       const std::string& key, int32_t offset,
                                                       int32_t limit) const {
  std::vector<Journal::Value> result;
  const Row* row = Find(workflow_id);
  if (row == nullptr) return result;
  const auto found = row->streams.find(key);
  if (found == row->streams.end()) return result;
  const auto count = static_cast<int32_t>(found->second.size());
  for (int32_t i = std::max(offset, 0); i < count && i - offset < limit; ++i) {
    result.push_back(found->second[static_cast<size_t>(i)].value);
  }
  return result;
}

// ---- Operator calls
// -------------------------------------------------------------------------------

absl::Status MemoryDatabase::Send(const SendEffect& message) {
  if (Deliver(message)) return absl::OkStatus();
  return NotFound("destination workflow", message.destination_id);
}

std::vector<std::string> MemoryDatabase::WithDescendants(
    const std::vector<std::string>& ids) const {
  std::vector<std::string> result = ids;
  absl::flat_hash_set<std::string> seen(ids.begin(), ids.end());
  for (size_t i = 0; i < result.size(); ++i) {
    for (const auto& [id, row] : workflows_) {
      if (row.record.parent_workflow_id == result[i] && seen.insert(id).second) {
        result.push_back(id);
      }
    }
  }
  return result;
}

int64_t MemoryDatabase::Cancel(const std::vector<std::string>& ids, bool with_children) {
  int64_t count = 0;
  for (const std::string& id : with_children ? WithDescendants(ids) : ids) {
    Row* row = Find(id);
    if (row == nullptr || HasSucceededOrFailed(row->record.status)) continue;
    End(*row, WorkflowStatus::kCancelled);
    Tell(News::kChanged, id);
    ++count;
  }
  return count;
}

void MemoryDatabase::Enqueue(Row& row, const std::string& queue_name) {
  Update(row, [&](WorkflowRecord& record) {
    record.status = WorkflowStatus::kEnqueued;
    record.queue_name = queue_name;
    record.owner_token.reset();
    record.started_at_ms.reset();
  });
}

int64_t MemoryDatabase::Resume(const std::vector<std::string>& ids,
                               const std::optional<std::string>& queue_name) {
  int64_t count = 0;
  for (const std::string& id : ids) {
    Row* row = Find(id);
    if (row == nullptr || HasSucceededOrFailed(row->record.status)) continue;
    Update(*row, [](WorkflowRecord& record) {
      record.recovery_attempts = 0;
      record.deadline_ms.reset();
      record.deduplication_id.reset();
      record.completed_at_ms.reset();
    });
    Enqueue(*row, queue_name.value_or(std::string(kInternalQueueName)));
    Tell(News::kChanged, id);
    ++count;
  }
  return count;
}

absl::Status MemoryDatabase::Fork(const ForkRequest& request) {
  Row* original = Find(request.original_id);
  if (original == nullptr) return NotFound("workflow to fork", request.original_id);
  if (Find(request.new_id) != nullptr) {
    return absl::AlreadyExistsError(absl::StrCat("fork exists: id=", request.new_id));
  }
  original->record.was_forked_from = true;
  Row& fork = workflows_[request.new_id];
  fork.created_order = ++created_count_;
  fork.record.id = request.new_id;
  const WorkflowRecord& from = original->record;
  Update(fork, [&](WorkflowRecord& record) {
    record.status = WorkflowStatus::kEnqueued;
    record.name = from.name;
    record.class_name = from.class_name;
    record.config_name = from.config_name;
    record.inputs = from.inputs;
    record.serialization = from.serialization;
    record.application_version =
        request.application_version ? request.application_version : from.application_version;
    record.application_name = from.application_name;
    record.queue_name = request.queue_name.value_or(std::string(kInternalQueueName));
    record.queue_partition_key = request.queue_partition_key;
    record.timeout_ms = request.timeout_ms;
    record.forked_from = request.original_id;
    record.authenticated_user = from.authenticated_user;
    record.assumed_role = from.assumed_role;
    record.authenticated_roles = from.authenticated_roles;
    record.attributes = from.attributes;
    record.created_at_ms = NowMs();
  });
  for (const auto& [function_id, step] : original->steps) {
    if (function_id < request.start_step) fork.steps.emplace(function_id, step);
  }
  for (const auto& [key, events] : original->events) {
    for (const Event& event : events) {
      if (event.function_id < request.start_step) fork.events[key].push_back(event);
    }
  }
  for (const auto& [key, values] : original->streams) {
    for (const StreamValue& value : values) {
      if (value.function_id < request.start_step) fork.streams[key].push_back(value);
    }
  }
  return absl::OkStatus();
}

absl::Status MemoryDatabase::Rewind(const std::string& id, int32_t start_step) {
  if (start_step < 0) return absl::InvalidArgumentError(absl::StrCat("start_step=", start_step));
  Row* row = Find(id);
  if (row == nullptr) return NotFound("workflow to rewind", id);
  if (!IsTerminal(row->record.status)) {
    return absl::FailedPreconditionError(absl::StrCat("workflow has not ended: id=", id,
                                                      " status=", StatusText(row->record.status)));
  }
  std::erase_if(row->steps, [start_step](const auto& step) { return step.first >= start_step; });
  for (auto& [_, events] : row->events) {
    std::erase_if(events, [&](const Event& event) { return event.function_id >= start_step; });
  }
  // Who has read a stream keeps what it read: values stay, but the stream is open again.
  for (auto& [_, values] : row->streams) {
    std::erase_if(values, [&](const StreamValue& value) {
      return value.function_id >= start_step && value.value.text == kStreamClosedMarker;
    });
  }
  std::erase_if(row->messages, [start_step](const Message& message) {
    return !message.consumed_by_function_id || *message.consumed_by_function_id >= start_step;
  });
  Update(*row, [](WorkflowRecord& record) {
    record.output.reset();
    record.error.reset();
    record.queue_partition_key.reset();
    record.recovery_attempts = 0;
    record.deadline_ms.reset();
    record.completed_at_ms.reset();
  });
  Enqueue(*row, std::string(kInternalQueueName));
  return absl::OkStatus();
}

int64_t MemoryDatabase::Delete(const std::vector<std::string>& ids, bool with_children) {
  int64_t count = 0;
  for (const std::string& id : with_children ? WithDescendants(ids) : ids) {
    Row* row = Find(id);
    if (row == nullptr) continue;
    // Leaves the indexes before it leaves the table.
    Update(*row, [](WorkflowRecord& record) {
      record.status = WorkflowStatus::kCancelled;
      record.queue_name.reset();
    });
    workflows_.erase(id);
    Tell(News::kChanged, id);
    ++count;
  }
  return count;
}

absl::Status MemoryDatabase::SetPriority(const std::string& id, int32_t priority) {
  Row* row = Find(id);
  if (row == nullptr) return NotFound("workflow", id);
  if (row->record.status != WorkflowStatus::kEnqueued &&
      row->record.status != WorkflowStatus::kDelayed) {
    return absl::FailedPreconditionError(absl::StrCat("workflow does not wait in a queue: id=", id,
                                                      " status=", StatusText(row->record.status)));
  }
  Update(*row, [priority](WorkflowRecord& record) { record.priority = priority; });
  return absl::OkStatus();
}

absl::Status MemoryDatabase::SetDelay(const std::string& id, int64_t delay_until_ms) {
  Row* row = Find(id);
  if (row == nullptr) return NotFound("workflow", id);
  if (row->record.status != WorkflowStatus::kDelayed) {
    return absl::FailedPreconditionError(absl::StrCat("workflow is not delayed: id=", id,
                                                      " status=", StatusText(row->record.status)));
  }
  Update(*row, [&](WorkflowRecord& record) { record.delay_until_ms = delay_until_ms; });
  return absl::OkStatus();
}

int64_t MemoryDatabase::Retain(const RetentionRequest& request) {
  std::vector<std::pair<int64_t, std::string>> ended;
  for (const auto& [id, row] : workflows_) {
    if (IsTerminal(row.record.status) && row.record.completed_at_ms) {
      ended.emplace_back(*row.record.completed_at_ms, id);
    }
  }
  std::sort(ended.begin(), ended.end());
  const size_t kept = request.keep_newest
                          ? static_cast<size_t>(std::max<int64_t>(*request.keep_newest, 0))
                          : ended.size();
  const size_t surplus = ended.size() - std::min(ended.size(), kept);
  std::vector<std::string> doomed;
  for (size_t i = 0; i < ended.size(); ++i) {
    const bool is_old =
        request.completed_before_ms && ended[i].first < *request.completed_before_ms;
    if (!is_old && i >= surplus) break;
    if (static_cast<int32_t>(doomed.size()) == request.max_rows) break;
    doomed.push_back(ended[i].second);
  }
  return Delete(doomed, /*with_children=*/false);
}

// ---- Queues, schedules, versions
// ------------------------------------------------------------------

std::vector<QueueConfig> MemoryDatabase::ListQueues() const {
  std::vector<QueueConfig> result;
  for (const auto& [_, queue] : queues_) result.push_back(queue);
  return result;
}

absl::Status MemoryDatabase::DeleteQueue(const std::string& name) {
  return queues_.erase(name) > 0 ? absl::OkStatus() : NotFound("queue", name);
}

void MemoryDatabase::UpsertSchedule(ScheduleRecord schedule) {
  ScheduleRecord& stored = schedules_[schedule.name];
  if (!stored.id.empty()) {
    // The definition is new; what operators and executors did to the schedule stays.
    schedule.id = stored.id;
    schedule.status = stored.status;
    schedule.last_fired_at = stored.last_fired_at;
    if (stored.application_name) schedule.application_name = stored.application_name;
  }
  if (schedule.id.empty()) schedule.id = absl::StrCat("schedule-", ++id_count_);
  stored = std::move(schedule);
}

std::vector<ScheduleRecord> MemoryDatabase::ListSchedules() const {
  std::vector<ScheduleRecord> result;
  for (const auto& [_, schedule] : schedules_) result.push_back(schedule);
  return result;
}

absl::Status MemoryDatabase::DeleteSchedule(const std::string& name) {
  return schedules_.erase(name) > 0 ? absl::OkStatus() : NotFound("schedule", name);
}

absl::Status MemoryDatabase::SetScheduleStatus(const std::string& name, ScheduleStatus status) {
  const auto found = schedules_.find(name);
  if (found == schedules_.end()) return NotFound("schedule", name);
  found->second.status = status;
  return absl::OkStatus();
}

absl::Status MemoryDatabase::RecordScheduleFired(const std::string& name,
                                                 const std::string& fired_at) {
  const auto found = schedules_.find(name);
  if (found == schedules_.end()) return NotFound("schedule", name);
  // RFC 3339 in UTC with a fixed number of digits sorts as text.
  std::optional<std::string>& last = found->second.last_fired_at;
  if (!last || *last < fired_at) last = fired_at;
  return absl::OkStatus();
}

std::vector<ApplicationVersion> MemoryDatabase::ListVersions() const {
  std::vector<ApplicationVersion> result(versions_.rbegin(), versions_.rend());
  std::stable_sort(result.begin(), result.end(), [](const auto& left, const auto& right) {
    return left.timestamp_ms > right.timestamp_ms;
  });
  return result;
}

absl::Status MemoryDatabase::SetLatestVersion(const std::string& name) {
  int64_t newest_ms = 0;
  for (const ApplicationVersion& version : versions_) {
    newest_ms = std::max(newest_ms, version.timestamp_ms);
  }
  for (ApplicationVersion& version : versions_) {
    if (version.name != name) continue;
    version.timestamp_ms = std::max(NowMs(), newest_ms + 1);
    return absl::OkStatus();
  }
  return NotFound("application version", name);
}

void MemoryDatabase::CheckInvariants() const {
  size_t enqueued_count = 0;
  for (const auto& [id, row] : workflows_) {
    const WorkflowRecord& record = row.record;
    HF_ASSERT(record.id == id);
    HF_ASSERT(record.owner_token.has_value() == (record.status == WorkflowStatus::kPending));
    HF_ASSERT(record.completed_at_ms.has_value() == IsTerminal(record.status));
    int32_t previous_id = -1;
    for (const auto& [function_id, step] : row.steps) {
      HF_ASSERT(function_id == step.function_id);
      HF_ASSERT(function_id > previous_id);
      previous_id = function_id;
    }
    if (record.status == WorkflowStatus::kEnqueued) {
      HF_ASSERT(record.queue_name.has_value());
      ++enqueued_count;
    }
  }
  size_t indexed_count = 0;
  for (const auto& [_, keys] : enqueued_) indexed_count += keys.size();
  HF_ASSERT(indexed_count == enqueued_count);
}

}  // namespace holdfast::workflows
