#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workflows/runtime/journal_types.h"

namespace holdfast::workflows {

template <class T>
using Reply = absl::AnyInvocable<void(absl::StatusOr<T>)>;
using StatusReply = absl::AnyInvocable<void(absl::Status)>;

struct StartRequest {
  NewWorkflow workflow;
  std::vector<ApplicationRow> application_rows;  // written only when the workflow is created
};

enum class StartOutcome : uint8_t {
  kCreated,
  kExists,        // a workflow with this id, name, class and config was there; nothing was written
  kConflict,      // the id is taken by a workflow of another name, class or config
  kDeduplicated,  // the queue holds another active workflow with this deduplication id
};

struct StartResult {
  StartOutcome outcome = StartOutcome::kCreated;
  WorkflowRecord existing;  // without payloads; meaningful unless kCreated
};

enum class EffectOutcome : uint8_t {
  kApplied,
  kMissingDestination,  // send: the error was recorded instead
  kNoMessage,           // receive: nothing recorded
  kRefused,             // stream is closed: nothing recorded
  kChildExists,         // child: already there and the same workflow; recorded
  kChildConflict,       // child: id taken by another workflow, or deduplicated; nothing recorded
};

struct EffectResult {
  EffectOutcome outcome = EffectOutcome::kApplied;
  StepRecord step;                   // as recorded
  std::optional<StartResult> child;  // of a ChildEffect
};

struct CommitResult {
  // False: the run lost its workflow (canceled, taken over, ended by another party) and nothing of
  // this commit was written. Drop the run without a word.
  bool is_durable = true;
  std::vector<EffectResult> effects;  // one for each effect, in order
};

// A workflow handed to this executor: PENDING, owned by the token, with what earlier runs recorded.
struct ClaimedWorkflow {
  WorkflowRecord workflow;
  std::string owner_token;
  std::vector<StepRecord> steps;  // by function_id
};

struct ClaimRequest {
  QueueConfig queue;
  std::vector<std::string> workflow_names;  // what this executor can run; others are left alone
  bool is_latest_version = false;           // may take rows that name no version
  int32_t max_count = 0;                    // bound of this claim, > 0
  int32_t running_here = 0;                 // of this queue in this executor (worker concurrency)
  // The same for each partition key that has any, sorted by key.
  std::vector<std::pair<std::string, int32_t>> running_here_by_partition;
  int64_t max_recovery_attempts = 100;  // a row claimed more often becomes a dead letter instead
};

struct ClaimResult {
  std::vector<ClaimedWorkflow> workflows;  // by priority, then age
  // There may be more that could run now: claim again without waiting for news.
  bool has_more = false;
  int64_t dead_letter_count = 0;
};

// Which PENDING rows of no queue to take over: rows of an executor id whose lease in schema
// `holdfast` ended, and rows of this executor id written by an earlier incarnation. Rows of
// executors that never held a lease (DBOS's own) are never touched. Rows that belong to a queue go
// back to it.
struct AdoptRequest {
  std::vector<std::string> workflow_names;
  int32_t max_count = 0;
  int64_t max_recovery_attempts = 100;
};

struct SweepRequest {
  int32_t max_rows = 1'000;  // of each kind
};

struct SweepResult {
  int64_t released_count = 0;  // DELAYED -> ENQUEUED
  std::vector<std::string> released_queues;
  std::vector<std::string> expired_workflow_ids;  // past their deadline, now CANCELLED
  bool has_abandoned = false;  // an executor's lease ended and it left rows behind
  bool has_more = false;       // a bound was reached: sweep again at once
  // When a delay or a deadline falls due next, if any is known: no need to look before.
  std::optional<int64_t> next_due_in_ms;
};

struct ForkRequest {
  std::string original_id;
  std::string new_id;
  int32_t start_step = 0;  // steps below are copied
  std::optional<std::string> application_version;
  std::optional<std::string> queue_name;
  std::optional<std::string> queue_partition_key;
  std::optional<int64_t> timeout_ms;
};

struct RetentionRequest {
  std::optional<int64_t> completed_before_ms;
  std::optional<int64_t> keep_newest;  // rows; older terminal ones beyond this count go
  int32_t max_rows = 1'000;
};

// Application SQL that shares a transaction with a step record. What it can do is the concrete
// journal's business: workflows/postgres/transaction.h, MemoryTransactionBody.
class TransactionBody {
 public:
  virtual ~TransactionBody();
};

struct TransactionRequest {
  Fence fence;
  // function_id, name, serialization and started_at_ms of the row; the body makes output or error.
  StepRecord step;
  std::shared_ptr<TransactionBody> body;
};

// News that somebody else may have caused. Only hints: they may be lost, repeated or late, so every
// waiter also looks by itself now and then. Called on the reactor's thread.
class JournalListener {
 public:
  virtual ~JournalListener();
  virtual void OnQueueChanged(std::string_view queue_name) = 0;
  virtual void OnMessage(std::string_view workflow_id, std::string_view topic) = 0;
  virtual void OnEvent(std::string_view workflow_id, std::string_view key) = 0;
  virtual void OnStream(std::string_view workflow_id, std::string_view key) = 0;
  virtual void OnWorkflowEnded(std::string_view workflow_id) = 0;
  // A run's row was changed by another party (cancel, resume); look at it.
  virtual void OnWorkflowChanged(std::string_view workflow_id) = 0;
  // News may have been missed (connection re-made): look at everything once.
  virtual void OnNewsLost() = 0;
  // The journal is not reachable since a while, or is again. For health and for gates.
  virtual void OnAvailability(bool is_available) = 0;
  // Acknowledged commits are missing in the database (a standby that was behind was promoted).
  // Every run in memory must be dropped and read again. The lease is gone too.
  virtual void OnDataLoss(std::string_view what) = 0;
};

// Where workflows are recorded. Two implementations pass the same conformance suite
// (tests/workflows/conformance): PostgreSQL (workflows/postgres) and memory (memory_journal.h).
//
// Threads: everything is called, and every reply comes, on the reactor's thread; a reply never
// comes from inside the call. Ownership: requests are moved in. When the journal is destroyed,
// replies that are still owed are destroyed without being called; what was sent may or may not be
// durable.
//
// Writes (Start, Commit, RunTransaction, RenewLease and the claims) of an executor carry its lease:
// past its end, on the database's clock, nothing of it lands. They wait for the database as long as
// it takes, with back-off, and answer once it is certain what happened: a commit in doubt is read
// back. The errors that they answer with are final:
//   kPermissionDenied    the executor's lease ended; register again, drop every run
//   kInvalidArgument     the database refuses the content of this very write (a NUL byte, a payload
//                        over the limit, a broken application statement); nothing was written
//   kResourceExhausted   the bound on waiting writes is reached; nothing was written
//   kDataLoss            see JournalListener::OnDataLoss
// Writes of one workflow are applied in the order they were made. Concurrent writes share
// transactions; a lone one is sent at once.
//
// A journal that never registered an executor is a client's: it may enqueue (Start without an owner
// token), send, read and operate, but neither own nor claim.
//
// Reads and operator calls answer within a bounded time: kUnavailable when the database is away,
// kNotFound, kFailedPrecondition when the workflow's status does not allow it.
class Journal {
 public:
  virtual ~Journal();

  virtual void SetListener(JournalListener* listener) = 0;  // outlives the journal, or is reset

  // ---- Executor -------------------------------------------------------------------------------
  // Takes the lease of `identity.executor_id` for `lease_ttl_ms`: at once when it is free, expired
  // or held by an earlier incarnation that released it; kFailedPrecondition while another
  // incarnation holds it (try again later). Also records the application version.
  virtual void RegisterExecutor(ExecutorIdentity identity, int64_t lease_ttl_ms,
                                Reply<LeaseGrant> reply) = 0;
  virtual void RenewLease(Reply<LeaseGrant> reply) = 0;
  virtual void ReleaseLease(StatusReply reply) = 0;

  // ---- The hot path ---------------------------------------------------------------------------
  virtual void Start(StartRequest request, Reply<StartResult> reply) = 0;
  virtual void Commit(WorkflowCommit commit, Reply<CommitResult> reply) = 0;
  // Runs the body in a transaction of its own with the step record; answers the step as recorded,
  // or nullopt when the fence was lost. The body runs again after a serialization failure, so it
  // has no effects but SQL. It may run on another thread than the reactor's.
  virtual void RunTransaction(TransactionRequest request,
                              Reply<std::optional<StepRecord>> reply) = 0;

  // ---- Claims ---------------------------------------------------------------------------------
  virtual void ClaimQueued(ClaimRequest request, Reply<ClaimResult> reply) = 0;
  virtual void ClaimAbandoned(AdoptRequest request, Reply<ClaimResult> reply) = 0;
  virtual void Sweep(SweepRequest request, Reply<SweepResult> reply) = 0;

  // ---- Reads ----------------------------------------------------------------------------------
  virtual void GetWorkflow(std::string id, bool with_payloads,
                           Reply<std::optional<WorkflowRecord>> reply) = 0;
  virtual void ListWorkflows(WorkflowFilter filter, Reply<std::vector<WorkflowRecord>> reply) = 0;
  virtual void ListSteps(std::string workflow_id, Reply<std::vector<StepRecord>> reply) = 0;
  struct Value {
    std::string text;
    std::optional<std::string> serialization;
  };
  virtual void GetEvent(std::string workflow_id, std::string key,
                        Reply<std::optional<Value>> reply) = 0;
  // Values from `offset` on, at most `limit`, the closing marker included as it is stored.
  virtual void ReadStream(std::string workflow_id, std::string key, int32_t offset, int32_t limit,
                          Reply<std::vector<Value>> reply) = 0;

  // ---- Operator calls -------------------------------------------------------------------------
  // A message from outside any workflow. kNotFound: no such destination.
  virtual void Send(SendEffect message, StatusReply reply) = 0;
  // Cancels what is not SUCCESS or ERROR; with_children also every descendant. Answers how many.
  virtual void Cancel(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) = 0;
  // Puts what is not SUCCESS or ERROR back on a queue (default: the internal one). Answers how
  // many.
  virtual void Resume(std::vector<std::string> ids, std::optional<std::string> queue_name,
                      Reply<int64_t> reply) = 0;
  virtual void Fork(ForkRequest request, StatusReply reply) = 0;
  // Undoes a terminal workflow from step `start_step` on and enqueues it under its own id.
  virtual void Rewind(std::string id, int32_t start_step, StatusReply reply) = 0;
  virtual void Delete(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) = 0;
  virtual void SetPriority(std::string id, int32_t priority, StatusReply reply) = 0;
  virtual void SetDelay(std::string id, int64_t delay_until_ms, StatusReply reply) = 0;

  virtual void UpsertQueue(QueueConfig queue, StatusReply reply) = 0;
  virtual void ListQueues(Reply<std::vector<QueueConfig>> reply) = 0;
  virtual void DeleteQueue(std::string name, StatusReply reply) = 0;

  virtual void UpsertSchedule(ScheduleRecord schedule, StatusReply reply) = 0;
  virtual void ListSchedules(Reply<std::vector<ScheduleRecord>> reply) = 0;
  virtual void DeleteSchedule(std::string name, StatusReply reply) = 0;
  virtual void SetScheduleStatus(std::string name, ScheduleStatus status, StatusReply reply) = 0;
  // Moves last_fired_at forward, never back.
  virtual void RecordScheduleFired(std::string name, std::string fired_at, StatusReply reply) = 0;

  virtual void ListVersions(Reply<std::vector<ApplicationVersion>> reply) = 0;  // latest first
  virtual void SetLatestVersion(std::string name, StatusReply reply) = 0;

  // Deletes terminal workflows, oldest first, with everything that belongs to them. Answers how
  // many.
  virtual void Retain(RetentionRequest request, Reply<int64_t> reply) = 0;

  // Milliseconds of the database's clock.
  virtual void Now(Reply<int64_t> reply) = 0;
};

}  // namespace holdfast::workflows
