#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/base/prng.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/memory_database.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

// The moments of a write at which a process may die: the request left, the database has made it
// durable, the answer is about to be heard.
enum class WriteMoment : uint8_t { kSent, kDurable, kAnswered };

// How the road between a journal and its database behaves. Delays are drawn uniformly.
struct MemoryJournalOptions {
  int64_t request_delay_ns_max = 0;  // until the database acts
  int64_t answer_delay_ns_max = 0;   // until the caller hears of it
  // A write's answer gets lost once in so many times (0: never); the journal finds out what
  // happened after `reconnect_delay_ns` more, as the port demands.
  uint32_t lost_answer_one_in = 0;
  // News (JournalListener) gets lost once in so many times.
  uint32_t lost_news_one_in = 0;
  int64_t reconnect_delay_ns = 1'000'000'000;
  // What a read waits for a database that is away before it says so.
  int64_t read_timeout_ns = 5'000'000'000;
  size_t waiting_write_count_max = 100'000;
  // Told of each moment of each write, by the name of the write: "register", "renew", "start",
  // "commit", "finish" (a commit with a final status), "transaction", "claim", "adopt".
  std::function<void(std::string_view write, WriteMoment moment)> on_write;
};

// Application work inside the transaction of a step, on the database in memory.
class MemoryTransactionBody : public TransactionBody {
 public:
  virtual absl::StatusOr<std::string> Run() = 0;
};

// The journal of simulations and of tests: the port's promises kept over a road that delays, loses
// answers and breaks. Destroying it is a crash of the process: a request that the database has not
// seen is lost with it, or reaches it afterwards (LetRequestsOutliveTheProcess), as from a backend
// that is still at work.
//
// Threads: the reactor's. `database` and `reactor` outlive the journal and every request sent.
class MemoryJournal final : public Journal {
 public:
  MemoryJournal(MemoryDatabase& database, Reactor& reactor, MemoryJournalOptions options = {},
                uint64_t seed = 1);
  ~MemoryJournal() override;

  // The database cannot be reached from now on, or can again. Writes wait; reads answer
  // kUnavailable.
  void SetAvailable(bool is_available);
  // Before a crash: what the database has not seen yet reaches it after all.
  void LetRequestsOutliveTheProcess() { do_requests_outlive_ = true; }
  // The process dies now, though its objects are still there: nothing that it sends arrives any
  // more, no answer and no news reaches it. For a crash from inside on_write; destroy the journal
  // later.
  void Cut();

  void SetListener(JournalListener* listener) override;
  void RegisterExecutor(ExecutorIdentity identity, int64_t lease_ttl_ms,
                        Reply<LeaseGrant> reply) override;
  void RenewLease(Reply<LeaseGrant> reply) override;
  void ReleaseLease(StatusReply reply) override;
  void Start(StartRequest request, Reply<StartResult> reply) override;
  void Commit(WorkflowCommit commit, Reply<CommitResult> reply) override;
  void RunTransaction(TransactionRequest request, Reply<std::optional<StepRecord>> reply) override;
  void ClaimQueued(ClaimRequest request, Reply<ClaimResult> reply) override;
  void ClaimAbandoned(AdoptRequest request, Reply<ClaimResult> reply) override;
  void Sweep(SweepRequest request, Reply<SweepResult> reply) override;
  void GetWorkflow(std::string id, bool with_payloads,
                   Reply<std::optional<WorkflowRecord>> reply) override;
  void ListWorkflows(WorkflowFilter filter, Reply<std::vector<WorkflowRecord>> reply) override;
  void ListSteps(std::string workflow_id, Reply<std::vector<StepRecord>> reply) override;
  void GetEvent(std::string workflow_id, std::string key,
                Reply<std::optional<Value>> reply) override;
  void ReadStream(std::string workflow_id, std::string key, int32_t offset, int32_t limit,
                  Reply<std::vector<Value>> reply) override;
  void Send(SendEffect message, StatusReply reply) override;
  void Cancel(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) override;
  void Resume(std::vector<std::string> ids, std::optional<std::string> queue_name,
              Reply<int64_t> reply) override;
  void Fork(ForkRequest request, StatusReply reply) override;
  void Rewind(std::string id, int32_t start_step, StatusReply reply) override;
  void Delete(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) override;
  void SetPriority(std::string id, int32_t priority, StatusReply reply) override;
  void SetDelay(std::string id, int64_t delay_until_ms, StatusReply reply) override;
  void UpsertQueue(QueueConfig queue, StatusReply reply) override;
  void ListQueues(Reply<std::vector<QueueConfig>> reply) override;
  void DeleteQueue(std::string name, StatusReply reply) override;
  void UpsertSchedule(ScheduleRecord schedule, StatusReply reply) override;
  void ListSchedules(Reply<std::vector<ScheduleRecord>> reply) override;
  void DeleteSchedule(std::string name, StatusReply reply) override;
  void SetScheduleStatus(std::string name, ScheduleStatus status, StatusReply reply) override;
  void RecordScheduleFired(std::string name, std::string fired_at, StatusReply reply) override;
  void ListVersions(Reply<std::vector<ApplicationVersion>> reply) override;
  void SetLatestVersion(std::string name, StatusReply reply) override;
  void Retain(RetentionRequest request, Reply<int64_t> reply) override;
  void Now(Reply<int64_t> reply) override;

 private:
  struct Shared;  // what a request on its way holds on to

  // Carries `work` to the database and its answer to `reply`. Writes wait for a database that is
  // away and keep the order of `order_key` (empty: none).
  template <class T, class Work>
  void Write(std::string_view name, const std::string& order_key, Work work, Reply<T> reply);
  template <class T>
  static void Answer(std::shared_ptr<Shared> shared, std::string_view name,
                     absl::StatusOr<T> result, Reply<T> reply);
  template <class T, class Work>
  void Read(Work work, Reply<T> reply);
  template <class Work>
  void Operate(Work work, StatusReply reply);
  void OnNews(MemoryDatabase::News news, const std::string& id, const std::string& key);

  MemoryDatabase& database_;
  Reactor& reactor_;
  const MemoryJournalOptions options_;
  std::shared_ptr<Shared> shared_;
  uint64_t news_key_ = 0;
  bool do_requests_outlive_ = false;
};

}  // namespace holdfast::workflows
