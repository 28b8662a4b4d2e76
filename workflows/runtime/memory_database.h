#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/clock.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/journal_types.h"

namespace holdfast::workflows {

// The journal's tables in memory: the plain statement of what each journal operation does, one
// synchronous call for one transaction. It outlives the journals that are attached to it, as a
// database server outlives its clients; that is how a simulation crashes a process and starts the
// next one.
//
// Its clock is the database's: monotonic, so that a jump of a client's wall clock does not move it.
// Not thread-safe.
class MemoryDatabase {
 public:
  // What an application row does; registered under the name of its sink. A refusal fails the
  // transaction; what earlier rows of it did is not undone here, so a sink refuses a row by its own
  // content only, never by the state of its table.
  using Sink = std::function<absl::Status(const std::string& json)>;
  // Told after the transaction, in its order.
  enum class News : uint8_t { kQueue, kMessage, kEvent, kStream, kEnded, kChanged };
  using NewsSink = std::function<void(News news, const std::string& id, const std::string& key)>;

  explicit MemoryDatabase(const Clock& clock) : clock_(clock) {}
  MemoryDatabase(const MemoryDatabase&) = delete;
  MemoryDatabase& operator=(const MemoryDatabase&) = delete;

  void RegisterSink(std::string name, Sink sink) { sinks_[std::move(name)] = std::move(sink); }
  // Answers a key for RemoveNewsSink.
  uint64_t AddNewsSink(NewsSink sink);
  void RemoveNewsSink(uint64_t key) { news_sinks_.erase(key); }

  int64_t NowMs() const { return kEpochMs + clock_.MonotonicNs() / kNanosPerMilli; }

  // ---- Executors --------------------------------------------------------------------------------
  absl::StatusOr<int64_t> RegisterExecutor(const ExecutorIdentity& identity, int64_t lease_ttl_ms);
  absl::StatusOr<int64_t> RenewLease(const ExecutorIdentity& identity, int64_t lease_ttl_ms);
  void ReleaseLease(const ExecutorIdentity& identity);
  // OK while `identity` holds its lease; kPermissionDenied after that.
  absl::Status CheckLease(const ExecutorIdentity& identity) const;

  // ---- Writes. `executor` is null for a client
  // ----------------------------------------------------
  absl::StatusOr<StartResult> Start(const ExecutorIdentity* executor, const StartRequest& request);
  absl::StatusOr<CommitResult> Commit(const ExecutorIdentity& executor,
                                      const WorkflowCommit& commit);
  absl::StatusOr<ClaimResult> ClaimQueued(const ExecutorIdentity& executor,
                                          const ClaimRequest& request);
  absl::StatusOr<ClaimResult> ClaimAbandoned(const ExecutorIdentity& executor,
                                             const AdoptRequest& request);
  SweepResult Sweep(const ExecutorIdentity& executor, const SweepRequest& request);

  // ---- Reads
  // --------------------------------------------------------------------------------------
  std::optional<WorkflowRecord> GetWorkflow(const std::string& id, bool with_payloads) const;
  std::vector<WorkflowRecord> ListWorkflows(const WorkflowFilter& filter) const;
  std::vector<StepRecord> ListSteps(const std::string& workflow_id) const;
  std::optional<Journal::Value> GetEvent(const std::string& workflow_id,
                                         const std::string& key) const;
  std::vector<Journal::Value> ReadStream(const std::string& workflow_id, const std::string& key,
                                         int32_t offset, int32_t limit) const;

  // ---- Operator calls
  // -----------------------------------------------------------------------------
  absl::Status Send(const SendEffect& message);
  int64_t Cancel(const std::vector<std::string>& ids, bool with_children);
  int64_t Resume(const std::vector<std::string>& ids, const std::optional<std::string>& queue_name);
  absl::Status Fork(const ForkRequest& request);
  absl::Status Rewind(const std::string& id, int32_t start_step);
  int64_t Delete(const std::vector<std::string>& ids, bool with_children);
  absl::Status SetPriority(const std::string& id, int32_t priority);
  absl::Status SetDelay(const std::string& id, int64_t delay_until_ms);
  int64_t Retain(const RetentionRequest& request);

  void UpsertQueue(const QueueConfig& queue) { queues_[queue.name] = queue; }
  std::vector<QueueConfig> ListQueues() const;
  absl::Status DeleteQueue(const std::string& name);
  void UpsertSchedule(ScheduleRecord schedule);
  std::vector<ScheduleRecord> ListSchedules() const;
  absl::Status DeleteSchedule(const std::string& name);
  absl::Status SetScheduleStatus(const std::string& name, ScheduleStatus status);
  absl::Status RecordScheduleFired(const std::string& name, const std::string& fired_at);
  std::vector<ApplicationVersion> ListVersions() const;  // latest first
  absl::Status SetLatestVersion(const std::string& name);

  size_t workflow_count() const { return workflows_.size(); }
  // Relations that hold between transactions; aborts on a broken one. For simulations.
  void CheckInvariants() const;

 private:
  static constexpr int64_t kEpochMs = 1'700'000'000'000;

  struct Event {
    int32_t function_id = 0;
    Journal::Value value;
  };
  struct StreamValue {
    int32_t function_id = 0;
    Journal::Value value;
  };
  struct Message {
    std::string id;
    std::string topic;
    Journal::Value value;
    std::optional<int32_t> consumed_by_function_id;
  };
  struct Row {
    WorkflowRecord record;
    uint64_t created_order = 0;
    bool is_rate_limited = false;
    std::map<int32_t, StepRecord> steps;
    std::map<std::string, std::vector<Event>> events;  // the history; the last one is the latest
    std::map<std::string, std::vector<StreamValue>> streams;
    std::vector<Message> messages;  // oldest first
  };
  struct Executor {
    ExecutorIdentity identity;
    int64_t epoch = 0;
    int64_t lease_end_ms = 0;
  };
  // Priority, order of creation, id.
  using QueueKey = std::tuple<int32_t, uint64_t, std::string>;

  Row* Find(const std::string& id);
  const Row* Find(const std::string& id) const;
  // The row that a fence guards, or null when it is lost.
  Row* FindFenced(const Fence& fence);
  // Every change of status, queue, priority goes through here: keeps the queue index right.
  void Update(Row& row, absl::FunctionRef<void(WorkflowRecord&)> change);
  StartResult Create(const ExecutorIdentity* executor, const NewWorkflow& workflow);
  EffectResult Apply(const ExecutorIdentity& executor, Row& row, const Effect& effect);
  EffectResult ApplySend(Row& row, const StepRecord& step, const SendEffect& send);
  EffectResult ApplyReceive(Row& row, const StepRecord& step, const ReceiveEffect& receive);
  EffectResult ApplySetEvent(Row& row, const StepRecord& step, const SetEventEffect& set);
  EffectResult ApplyStream(Row& row, const StepRecord& step, const StreamEffect& stream);
  EffectResult ApplyChild(const ExecutorIdentity& executor, Row& row, const StepRecord& step,
                          const ChildEffect& child);
  bool Deliver(const SendEffect& send);
  absl::Status CheckCommit(const Row& row, const WorkflowCommit& commit) const;
  // How many more of the queue (or of one of its partitions) may start here now.
  int32_t ClaimRoom(const ClaimRequest& request, const std::string* partition) const;
  bool IsClaimable(const ExecutorIdentity& executor, const Row& row,
                   const std::vector<std::string>& names, bool is_latest_version) const;
  // Counts the attempt; false when the row became a dead letter instead.
  bool Claim(const ExecutorIdentity& executor, Row& row, int64_t max_recovery_attempts,
             ClaimResult& result);
  // An executor that is gone: its lease ended, or it is an earlier life of `self`.
  bool IsAbandoned(const ExecutorIdentity& self, const Row& row) const;
  void End(Row& row, WorkflowStatus status);
  void Enqueue(Row& row, const std::string& queue_name);
  std::vector<std::string> WithDescendants(const std::vector<std::string>& ids) const;
  void Tell(News news, const std::string& id, const std::string& key = "") const;
  bool LeaseHolds(const std::string& executor_id) const;

  const Clock& clock_;
  std::map<std::string, Row> workflows_;
  std::map<std::string, std::set<QueueKey>> enqueued_;
  // (queue, deduplication id) -> workflow id
  std::map<std::pair<std::string, std::string>, std::string> deduplication_;
  std::map<std::string, Executor> executors_;
  std::map<std::string, QueueConfig> queues_;
  std::map<std::string, ScheduleRecord> schedules_;
  std::vector<ApplicationVersion> versions_;
  std::map<std::string, Sink> sinks_;
  std::map<uint64_t, NewsSink> news_sinks_;
  uint64_t created_count_ = 0;
  uint64_t token_count_ = 0;
  uint64_t id_count_ = 0;
  uint64_t news_sink_count_ = 0;
};

}  // namespace holdfast::workflows
