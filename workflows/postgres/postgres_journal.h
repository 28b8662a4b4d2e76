#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "workflows/postgres/batch.h"
#include "workflows/postgres/control_session.h"
#include "workflows/postgres/news.h"
#include "workflows/postgres/writer.h"
#include "workflows/runtime/epoll_reactor.h"
#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

class TransactionPool;

// Where ApplicationRow::sink leads: a statement with one parameter, $1, a jsonb array of objects:
//   INSERT INTO orders SELECT * FROM jsonb_to_recordset($1) AS r (id text, price numeric)
struct ApplicationSink {
  std::string name;
  std::string sql;
};

struct PostgresJournalOptions {
  // libpq's URI or key=value text; several hosts for fail-over. The schema is there already:
  // migrations.h.
  std::string database_url;
  // Begins the application_name of the sessions. One for all executors of a database: by it they
  // tell a dead one's session from other parties'.
  std::string session_name = "holdfast";
  // Shards of the hot path, one connection each; writes go by the hash of their workflow's id. One
  // is best on few cores: larger batches beat more of them.
  int32_t writer_count = 1;
  // Threads of RunTransaction, one connection each.
  int32_t transaction_thread_count = 2;
  size_t waiting_transaction_count_max = 10'000;
  std::vector<ApplicationSink> sinks;
  WriterLimits writer_limits;
  int64_t connect_timeout_ms = 5'000;
  int64_t statement_timeout_ms = 10'000;
  int64_t read_timeout_ms = 10'000;
  int64_t reconnect_ms_max = 2'000;
  // How long a connection may be away before OnAvailability(false).
  int64_t away_after_ms = 1'000;
  size_t claim_bytes_max = 32u << 20;  // payloads of one claim
  uint64_t seed = 0;                   // for tokens and jitter: drawn anew by each process
};

// For health and benchmarks.
struct PostgresJournalStats {
  WriterStats writes;  // of all shards
  int64_t retry_count = 0;
  bool is_available = false;
};

// The journal on PostgreSQL (13 or later, schema of migrations.h). What it promises: journal.h.
//
// Connections: one a writer shard, one for claims, one for the lease and for news, one for reads
// and operator calls, one a transaction thread. All but the last are driven by the reactor; none of
// its calls blocks, but for the name resolution of a host that is not an address.
//
// Durability: a reply of a write comes after its commit, as the server's synchronous_commit has it.
class PostgresJournal final : public Journal {
 public:
  // kInvalidArgument for an URL or a sink that cannot be right. Connects in the background.
  static absl::StatusOr<std::unique_ptr<PostgresJournal>> Create(EpollReactor& reactor,
                                                                 PostgresJournalOptions options);
  ~PostgresJournal() override;

  PostgresJournalStats stats() const;

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
  enum class LeaseState : uint8_t { kNone, kHeld, kLost };  // kNone: a client's journal
  struct WaitingClaim {
    // Begins the claim when it is its turn; calls its argument when it is over.
    absl::AnyInvocable<void()> run;
    absl::AnyInvocable<void(absl::Status)> fail;
  };

  PostgresJournal(EpollReactor& reactor, PostgresJournalOptions options);
  absl::Status Open();
  ConnectionOptions MakeConnectionOptions(std::string_view role) const;

  // executor.cc
  void SendRegister(std::shared_ptr<Reply<LeaseGrant>> reply, int64_t lease_ttl_ms);
  void OnRegistered(const WriterResult& result, int64_t sent_ns, int64_t lease_ttl_ms,
                    std::shared_ptr<Reply<LeaseGrant>> reply);
  // As long as what it answers lives: sessions that `session` waits for, and that themselves wait
  // for a client which says nothing, are ended.
  std::shared_ptr<int> EndBlockersOf(WriterSession& session);
  void EndBlockersLater(WriterSession& session, std::weak_ptr<int> wait);
  void OnLeaseLost(const absl::Status& status);
  void OnDataLoss(const absl::Status& status);
  void SetLease(std::optional<LeaseIdentity> lease, LeaseState state);
  void OnAvailability();
  absl::Status CheckMayWrite(bool needs_lease) const;

  Writer& WriterOf(std::string_view workflow_id);
  void OnDurable(const PendingWrite& write);
  std::string MintToken();  // of a creation or a claim

  // claims.cc
  void QueueClaim(WaitingClaim claim);
  void PumpClaims();
  void FailClaims(const absl::Status& status);
  void RunClaimQueued(std::shared_ptr<ClaimRequest> request,
                      std::shared_ptr<Reply<ClaimResult>> reply);
  void NoteClaimed(const QueueConfig& queue, const ClaimResult& claimed);
  void LookAtQueue(std::shared_ptr<ClaimRequest> request,
                   std::shared_ptr<Reply<ClaimResult>> reply);
  void FenceAbandoned(std::shared_ptr<AdoptRequest> request,
                      std::shared_ptr<Reply<ClaimResult>> reply);
  void RunClaimAbandoned(std::shared_ptr<AdoptRequest> request,
                         std::vector<std::pair<std::string, int64_t>> fenced,
                         std::shared_ptr<Reply<ClaimResult>> reply);
  void FinishClaim(std::string token, int32_t limit, WriterResult result,
                   std::shared_ptr<Reply<ClaimResult>> reply,
                   absl::AnyInvocable<void(const ClaimResult&)> on_done);
  void SweepDue(int32_t max_rows, StatementCall look, Reply<SweepResult> reply);
  ClaimResult ReadClaimed(const Rows& rows, int32_t limit, const std::string& token);

  // For reads and operator calls (reads.cc, postgres_operations.cc): the statements run in one
  // transaction on the control connection. Afterwards news_ is told what changed.
  void RunControl(std::vector<StatementCall> calls, bool is_repeatable, RowsReply reply) {
    control_->Run(std::move(calls), is_repeatable, std::move(reply));
  }

  // postgres_operations.cc, postgres_settings.cc
  struct CancelCall;
  void CancelLevel(std::shared_ptr<CancelCall> call, std::vector<std::string> ids);
  void ChangeWaiting(StatementCall call, std::string id, std::string_view refusal,
                     StatusReply reply);
  void DeleteThese(const std::vector<std::string>& ids, Reply<int64_t> reply);
  template <class T>
  void ListAll(const Statement& statement, T (*read)(const Rows& rows, int row),
               Reply<std::vector<T>> reply);
  // kNotFound when the call touched no row.
  void ChangeNamed(StatementCall call, std::string_view what, std::string name, StatusReply reply);

  EpollReactor& reactor_;
  const PostgresJournalOptions options_;
  SinkTable sinks_;
  Prng prng_;

  LeaseState lease_state_ = LeaseState::kNone;
  std::optional<ExecutorIdentity> identity_;
  std::optional<LeaseIdentity> lease_;
  int64_t lease_ttl_ms_ = 0;
  int32_t registration_count_ = 0;
  BatchIdentity batch_identity_;

  std::unique_ptr<WriterSession> lease_session_;
  std::unique_ptr<News> news_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::unique_ptr<WriterSession> claim_session_;
  std::unique_ptr<ControlSession> control_;
  std::unique_ptr<TransactionPool> transactions_;

  std::vector<WaitingClaim> waiting_claims_;
  bool is_claiming_ = false;
  absl::flat_hash_set<std::string> empty_queues_;  // where the last claim found nothing
  // Running here, but known elsewhere: their end is announced to other processes.
  absl::flat_hash_set<std::string> announced_ids_;
  // Executors whose end was dealt with, with the epoch that ended; and our own earlier rows.
  absl::flat_hash_map<std::string, int64_t> adopted_executors_;
  bool is_own_past_adopted_ = false;
  std::vector<std::string> adopted_names_;

  bool was_connected_ = false;
  bool is_reported_away_ = false;
  std::optional<TimerId> away_timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace holdfast::workflows
