#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// The journal's rows as values. Columns, their meaning and who writes them: docs/journal_format.md.
// Payloads (inputs, outputs, errors, messages, event and stream values) are opaque text here; the
// journal never parses them. Times are milliseconds of the Unix epoch on the database's clock
// unless a name says otherwise.
namespace holdfast::workflows {

enum class WorkflowStatus : uint8_t {
  kPending,
  kEnqueued,
  kDelayed,
  kSuccess,
  kError,
  kCancelled,                    // DBOS's spelling: this is the text of the column
  kMaxRecoveryAttemptsExceeded,  // the dead letter; parked workflows end here too
};

// The column's text ("PENDING", ...), and back; nullopt for a text no release has written.
std::string_view WorkflowStatusName(WorkflowStatus status);
std::optional<WorkflowStatus> WorkflowStatusFromName(std::string_view name);
// Nothing will change the row by itself any more. kMaxRecoveryAttemptsExceeded is terminal, but an
// operator may resume it.
constexpr bool IsTerminal(WorkflowStatus status) {
  return status != WorkflowStatus::kPending && status != WorkflowStatus::kEnqueued &&
         status != WorkflowStatus::kDelayed;
}

// Proof of the right to write for one run of one workflow. The token is minted anew for every
// start and every claim, so a run that lost its workflow is never mistaken for the next one. It
// begins with the incarnation of the executor that minted it and a '-': that is how an executor
// tells the rows of its own earlier life from its present ones.
struct Fence {
  std::string workflow_id;
  std::string owner_token;
  bool operator==(const Fence&) const = default;
};

// One row of dbos.operation_outputs. A step that returned nothing has the text of null as its
// output; the row that a child's start leaves has neither output nor error, but child_workflow_id.
struct StepRecord {
  int32_t function_id = 0;
  std::string name;
  std::optional<std::string> output;
  std::optional<std::string> error;
  std::optional<std::string> child_workflow_id;
  std::string serialization;
  int64_t started_at_ms = 0;
  int64_t completed_at_ms = 0;
  bool operator==(const StepRecord&) const = default;
};

// What a caller decides about a workflow when it is created.
struct NewWorkflow {
  std::string id;
  std::string name;
  std::optional<std::string> class_name;
  std::optional<std::string> config_name;
  std::optional<std::string> inputs;
  std::string serialization;
  // Set: the workflow starts at once, PENDING, owned by this token of the calling executor.
  // Unset: it is ENQUEUED (or DELAYED while delay_until_ms lies ahead) on queue_name.
  std::optional<std::string> owner_token;
  std::optional<std::string> queue_name;
  std::optional<std::string> queue_partition_key;
  std::optional<std::string> deduplication_id;  // unique within the queue until the workflow ends
  int32_t priority = 0;                         // lower first
  std::optional<int64_t> delay_until_ms;
  std::optional<int64_t> timeout_ms;  // becomes a deadline when the workflow starts to run
  std::optional<int64_t> deadline_ms;
  std::optional<std::string> application_version;  // unset: the latest version runs it
  std::optional<std::string> application_name;
  std::optional<std::string> parent_workflow_id;
  std::optional<std::string> schedule_name;
  std::optional<std::string> attributes;  // a JSON object
  std::optional<std::string> authenticated_user;
  std::optional<std::string> assumed_role;
  std::optional<std::string> authenticated_roles;  // a JSON array
};

// One row of dbos.workflow_status, its payloads read wherever they are stored.
struct WorkflowRecord {
  std::string id;
  WorkflowStatus status = WorkflowStatus::kPending;
  std::string name;
  std::optional<std::string> class_name;
  std::optional<std::string> config_name;
  std::optional<std::string> inputs;  // absent when the query did not ask for payloads
  std::optional<std::string> output;
  std::optional<std::string> error;
  std::optional<std::string> serialization;
  std::optional<std::string> executor_id;
  std::optional<std::string> owner_token;
  std::optional<std::string> queue_name;
  std::optional<std::string> queue_partition_key;
  std::optional<std::string> deduplication_id;
  int32_t priority = 0;
  std::optional<std::string> application_version;
  std::optional<std::string> application_name;
  int64_t recovery_attempts = 0;
  int64_t created_at_ms = 0;
  int64_t updated_at_ms = 0;
  std::optional<int64_t> started_at_ms;
  std::optional<int64_t> completed_at_ms;
  std::optional<int64_t> timeout_ms;
  std::optional<int64_t> deadline_ms;
  std::optional<int64_t> delay_until_ms;
  std::optional<std::string> parent_workflow_id;
  std::optional<std::string> forked_from;
  bool was_forked_from = false;
  std::optional<std::string> schedule_name;
  std::optional<std::string> attributes;
  std::optional<std::string> authenticated_user;
  std::optional<std::string> assumed_role;
  std::optional<std::string> authenticated_roles;
};

// One row for the application's own tables, written in the same transaction as the commit it rides
// in. The sink is a statement registered by the application at start-up under `sink`; all rows of
// one sink in one transaction reach it together.
struct ApplicationRow {
  std::string sink;
  std::string json;  // one JSON object
};

// ---- Effects: what a workflow changes outside its own step records -----------------------------
// Each is recorded with a step row in the same transaction. `step` carries the row as it is when
// the effect succeeds; what differs on failure is said by the effect.

struct SendEffect {
  std::string destination_id;
  std::optional<std::string> topic;
  std::string message;
  std::string serialization;
  std::optional<std::string> message_id;  // set: a repeated send of this id is a no-op
  // Recorded as the step's error when the destination does not exist.
  std::string missing_destination_error;
};

// Consumes the oldest unconsumed message of the topic; its text and format become the step's
// output. With no message waiting nothing is recorded.
struct ReceiveEffect {
  std::optional<std::string> topic;
};

struct SetEventEffect {
  std::string key;
  std::string value;
  std::string serialization;
};

// Appends to a stream; the offset is the next free one. A closed stream is not appended to
// (EffectResult::kRefused, nothing recorded).
struct StreamEffect {
  std::string key;
  std::string value;  // kStreamClosedMarker closes the stream
  std::string serialization;
};
inline constexpr std::string_view kStreamClosedMarker = "\"__DBOS_STREAM_CLOSED__\"";

// Starts or enqueues a workflow from inside another one. The step row names it in
// child_workflow_id.
struct ChildEffect {
  NewWorkflow child;
};

struct Effect {
  StepRecord step;
  std::variant<SendEffect, ReceiveEffect, SetEventEffect, StreamEffect, ChildEffect> action;
};

// The end of a run. status is a terminal one.
struct Finish {
  WorkflowStatus status = WorkflowStatus::kSuccess;
  std::optional<std::string> output;
  std::optional<std::string> error;
};

// Everything one workflow recorded in one turn: durable together or not at all.
struct WorkflowCommit {
  Fence fence;
  std::vector<StepRecord> steps;  // in the order of function_id
  std::vector<Effect> effects;    // applied in order, after the steps
  std::vector<ApplicationRow> application_rows;
  std::optional<Finish> finish;
};

// ---- Queues, schedules, executors ---------------------------------------------------------------

struct RateLimit {
  int32_t max_starts = 0;
  double period_s = 0;
  bool operator==(const RateLimit&) const = default;
};

// One row of dbos.queues. Absent = no limit.
struct QueueConfig {
  std::string name;
  std::optional<int32_t> concurrency;         // running at once, over all executors
  std::optional<int32_t> worker_concurrency;  // running at once in one executor
  std::optional<RateLimit> rate_limit;
  bool is_partitioned = false;  // the partition_* limits hold for each partition key by itself
  std::optional<int32_t> partition_concurrency;
  std::optional<int32_t> partition_worker_concurrency;
  std::optional<RateLimit> partition_rate_limit;
  double polling_interval_s = 1.0;  // a net: work is announced
  std::optional<std::string> application_name;
  bool operator==(const QueueConfig&) const = default;
};

// Where resumed, forked and recovered workflows of no other queue land.
inline constexpr std::string_view kInternalQueueName = "_dbos_internal_queue";

enum class ScheduleStatus : uint8_t { kActive, kPaused };

// One row of dbos.workflow_schedules.
struct ScheduleRecord {
  std::string id;
  std::string name;
  std::string workflow_name;
  std::optional<std::string> workflow_class_name;
  std::string cron;
  ScheduleStatus status = ScheduleStatus::kActive;
  std::string context;                       // serialized; second argument of the workflow
  std::optional<std::string> last_fired_at;  // RFC 3339
  bool is_backfilled = false;
  std::optional<std::string> cron_time_zone;
  std::optional<std::string> queue_name;
  std::optional<std::string> application_name;
};

struct ApplicationVersion {
  std::string id;
  std::string name;
  int64_t timestamp_ms = 0;
  int64_t created_at_ms = 0;
  std::optional<std::string> application_name;
};

// Who runs workflows. The id survives restarts (a host or a pod name); the incarnation is drawn
// anew by every process, so that a process and its own predecessor are told apart.
struct ExecutorIdentity {
  std::string executor_id;
  std::string incarnation;
  std::string application_name;
  std::string application_version;
  std::string host;
  int64_t process_id = 0;
};

struct LeaseGrant {
  int64_t epoch = 0;  // grows with every registration of this executor id
  int64_t valid_until_ns =
      0;  // monotonic, this process's clock, measured before the request was sent
};

struct WorkflowFilter {
  std::vector<std::string> ids;
  std::vector<WorkflowStatus> statuses;
  std::vector<std::string> names;
  std::optional<std::string> id_prefix;
  std::optional<std::string> queue_name;
  bool is_queued_only = false;  // has a queue and is not terminal
  std::optional<std::string> executor_id;
  std::optional<std::string> application_version;
  std::optional<std::string> authenticated_user;
  std::optional<std::string> parent_workflow_id;
  std::optional<std::string> forked_from;
  std::optional<std::string> schedule_name;
  std::optional<std::string> attributes;  // contains (@>) this JSON object
  std::optional<int64_t> created_from_ms;
  std::optional<int64_t> created_to_ms;
  bool is_newest_first = false;
  bool with_payloads = false;
  int32_t limit = 100;  // at most kListLimitMax
  int32_t offset = 0;
};
inline constexpr int32_t kListLimitMax = 10'000;

}  // namespace holdfast::workflows
