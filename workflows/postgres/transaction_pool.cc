#include "workflows/postgres/transaction_pool.h"

#include <algorithm>
#include <chrono>
#include <pqxx/pqxx>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/postgres/statements.h"
#include "workflows/postgres/transaction.h"

namespace holdfast::workflows {
namespace {

constexpr int64_t kPauseMsMin = 10;
constexpr int64_t kPauseMsMax = 1'000;

constexpr char kBegin[] =
    "SELECT holdfast.begin_batch($1::text, $2::text::uuid, $3::int4, $4::int8, ARRAY[$5::text], "
    "ARRAY[$6::text])";
// The lease once more: a process that was frozen in the body writes nothing after its end.
constexpr char kInsertStep[] =
    "INSERT INTO dbos.operation_outputs (workflow_uuid, function_id, function_name, output, "
    "serialization, started_at_epoch_ms, completed_at_epoch_ms) "
    "SELECT $1::text, $2::int4, $3::text, $4::text, $5::text, $6::int8, " HF_SQL_NOW_MS
    " FROM holdfast.executors AS e WHERE e.executor_id = $7::text "
    "AND e.incarnation = $8::text::uuid AND e.lease_expires_at > clock_timestamp() "
    "RETURNING completed_at_epoch_ms";
constexpr char kReadSequenceSql[] =
    "SELECT sequence FROM holdfast.journal_writers WHERE executor_id = $1::text "
    "AND incarnation = $2::text::uuid AND shard = $3::int4 FOR UPDATE";
constexpr char kReadEpochSql[] =
    "SELECT epoch FROM holdfast.executors WHERE executor_id = $1::text";
constexpr char kReadStep[] =
    "SELECT output, completed_at_epoch_ms FROM dbos.operation_outputs "
    "WHERE workflow_uuid = $1::text AND function_id = $2::int4";

absl::Status LeaseLost() { return absl::PermissionDeniedError("the executor's lease ended"); }

}  // namespace

// One thread's connection and place in its sequence. Everything but Cancel() is the thread's own.
class TransactionPool::Worker {
 public:
  using Answer = absl::StatusOr<std::optional<StepRecord>>;

  Worker(TransactionPool& pool, int32_t shard, uint64_t seed)
      : pool_(pool), shard_(shard), prng_(seed) {}

  // Until it is certain what happened; nullopt when the pool stops.
  std::optional<Answer> Run(const LeaseIdentity& lease, const TransactionRequest& request) {
    if (lease_ != lease) {
      lease_ = lease;
      sequence_ = 0;
    }
    bool is_in_doubt = false;
    for (int attempt = 0; !IsStopping(); ++attempt) {
      if (attempt > 0) Pause(attempt);
      try {
        if (connection_ == nullptr) Connect();
        std::optional<Answer> answer =
            is_in_doubt ? Settle(request, is_in_doubt) : Attempt(request, is_in_doubt);
        if (answer) return answer;
      } catch (const pqxx::broken_connection& error) {
        // Whether the commit was on its way is not told reliably: the sequence tells.
        Disconnect();
        is_in_doubt = true;
      } catch (const pqxx::failure&) {
        // The session cannot do even what is not the application's: look again later.
        Disconnect();
      }
    }
    return std::nullopt;
  }

  // From the pool's thread: what the server is at ends with an error.
  void Cancel() {
    const std::lock_guard lock(mutex_);
    if (connection_ == nullptr) return;
    try {
      connection_->cancel_query();
    } catch (const std::exception&) {
      // The connection is gone, which ends the wait as well.
    }
  }

 private:
  bool IsStopping() {
    const std::lock_guard lock(pool_.mutex_);
    return pool_.is_stopping_;
  }

  void Pause(int attempt) {
    const int64_t limit_ms = std::min(kPauseMsMax, kPauseMsMin << std::min(attempt, 10));
    const int64_t pause_ms = prng_.Between(limit_ms / 2, limit_ms);
    std::unique_lock lock(pool_.mutex_);
    pool_.changed_.wait_for(lock, std::chrono::milliseconds(pause_ms),
                            [this] { return pool_.is_stopping_; });
  }

  void Connect() {
    absl::StatusOr<std::string> target = BlockingConnectionString(pool_.options_.connection);
    HF_ASSERT(target.ok());  // checked when the journal was made
    auto connection = std::make_unique<pqxx::connection>(*target);
    pqxx::nontransaction setup(*connection);
    const int64_t timeout_ms = pool_.options_.connection.statement_timeout_ms;
    setup.exec(absl::StrCat("SET statement_timeout = ", timeout_ms));
    // A process that is frozen between two statements would hold its locks, and with them whoever
    // takes over from it, for as long as it is.
    setup.exec(absl::StrCat("SET idle_in_transaction_session_timeout = ", timeout_ms));
    setup.commit();
    const std::lock_guard lock(mutex_);
    connection_ = std::move(connection);
  }

  void Disconnect() {
    std::unique_ptr<pqxx::connection> gone;
    const std::lock_guard lock(mutex_);
    gone = std::move(connection_);
  }

  // nullopt: again.
  std::optional<Answer> Attempt(const TransactionRequest& request, bool& is_in_doubt) {
    bool is_application = false;  // whose statement is running
    try {
      pqxx::work work(*connection_);
      work.exec_params(kBegin, lease_->executor_id, lease_->incarnation, shard_, sequence_ + 1,
                       request.fence.workflow_id, request.fence.owner_token);
      is_application = true;
      auto* body = dynamic_cast<PostgresTransactionBody*>(request.body.get());
      absl::StatusOr<std::string> output = body->Run(work);
      is_application = false;
      if (!output.ok()) return Answer(output.status());
      if (output->find('\0') != std::string::npos) {
        return Answer(absl::InvalidArgumentError("a step's output holds a NUL byte"));
      }
      StepRecord step = request.step;
      step.output = *std::move(output);
      step.error.reset();
      const pqxx::result inserted = work.exec_params(
          kInsertStep, request.fence.workflow_id, step.function_id, step.name, *step.output,
          step.serialization, step.started_at_ms, lease_->executor_id, lease_->incarnation);
      if (inserted.empty()) return Answer(LeaseLost());
      step.completed_at_ms = inserted[0][0].as<int64_t>();
      work.commit();
      ++sequence_;
      return Answer(std::optional(std::move(step)));
    } catch (const pqxx::in_doubt_error&) {
      is_in_doubt = true;
      Disconnect();
      return std::nullopt;
    } catch (const pqxx::broken_connection&) {
      throw;
    } catch (const pqxx::transaction_rollback&) {
      return std::nullopt;  // serialization failure, deadlock
    } catch (const pqxx::sql_error& error) {
      return OnSqlError(error, is_application);
    } catch (const std::exception& error) {
      if (!is_application) throw;
      return Answer(absl::InternalError(absl::StrCat("transaction: ", error.what())));
    }
  }

  std::optional<Answer> OnSqlError(const pqxx::sql_error& error, bool is_application) {
    const std::string& state = error.sqlstate();
    switch (ClassifySqlState(state)) {
      case ErrorClass::kLeaseLost:
        return Answer(LeaseLost());
      case ErrorClass::kFencesLost:
        return Answer(std::nullopt);
      case ErrorClass::kOutOfSequence:
        return Answer(absl::DataLossError("acknowledged commits are missing in the database"));
      case ErrorClass::kConflict:
        return std::nullopt;
      case ErrorClass::kTimeout:
        if (is_application && !IsStopping()) break;
        return std::nullopt;
      case ErrorClass::kAway:
        // A missing table in a statement of the application is its mistake.
        if (is_application && state.compare(0, 2, "42") == 0) break;
        Disconnect();
        return std::nullopt;
      case ErrorClass::kLeaseHeld:
      case ErrorClass::kRefused:
        break;
    }
    return Answer(absl::InvalidArgumentError(
        absl::StrCat("the database refuses a transaction: ", error.what(), " (", state, ")")));
  }

  // The connection was lost on the way: was the commit before that?
  std::optional<Answer> Settle(const TransactionRequest& request, bool& is_in_doubt) {
    pqxx::work work(*connection_);
    const pqxx::result sequence =
        work.exec_params(kReadSequenceSql, lease_->executor_id, lease_->incarnation, shard_);
    const absl::Status data_loss =
        absl::DataLossError("acknowledged commits are missing in the database");
    if (sequence.empty()) {
      const pqxx::result epoch = work.exec_params(kReadEpochSql, lease_->executor_id);
      const bool is_known = !epoch.empty() && epoch[0][0].as<int64_t>() >= lease_->epoch;
      return Answer(is_known ? LeaseLost() : data_loss);
    }
    const auto found = sequence[0][0].as<int64_t>();
    if (found == sequence_) {
      is_in_doubt = false;
      return std::nullopt;
    }
    if (found != sequence_ + 1) return Answer(data_loss);
    const pqxx::result row =
        work.exec_params(kReadStep, request.fence.workflow_id, request.step.function_id);
    ++sequence_;
    if (row.empty()) return Answer(std::nullopt);  // deleted meanwhile, with its workflow
    StepRecord step = request.step;
    step.output = row[0][0].as<std::string>();
    step.completed_at_ms = row[0][1].as<int64_t>();
    return Answer(std::optional(std::move(step)));
  }

  TransactionPool& pool_;
  const int32_t shard_;
  Prng prng_;
  std::optional<LeaseIdentity> lease_;
  int64_t sequence_ = 0;
  std::mutex mutex_;  // of connection_ as a pointer
  std::unique_ptr<pqxx::connection> connection_;
};

TransactionPool::TransactionPool(EpollReactor& reactor, TransactionPoolOptions options)
    : reactor_(reactor), options_(std::move(options)) {
  Prng prng(options_.seed);
  for (int32_t i = 0; i < options_.thread_count; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, options_.first_shard + i, prng.Next()));
  }
  // Last: the threads use all of the above.
  for (const std::unique_ptr<Worker>& worker : workers_) {
    threads_.emplace_back([this, &worker = *worker] { RunWorker(worker); });
  }
}

TransactionPool::~TransactionPool() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  for (const std::unique_ptr<Worker>& worker : workers_) worker->Cancel();
  for (std::thread& thread : threads_) thread.join();
}

void TransactionPool::Run(LeaseIdentity lease, TransactionRequest request,
                          TransactionStepReply reply) {
  absl::Status status;
  if (dynamic_cast<PostgresTransactionBody*>(request.body.get()) == nullptr) {
    status = absl::InvalidArgumentError("the transaction was made for another journal");
  } else if (workers_.empty()) {
    status = absl::InvalidArgumentError("transaction_thread_count is 0");
  } else {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= options_.waiting_count_max) {
      status = absl::ResourceExhaustedError("too many transactions wait");
    } else {
      jobs_.push_back({std::move(lease), std::move(request), std::move(reply)});
    }
  }
  if (status.ok()) return changed_.notify_one();
  reactor_.Post([reply = std::move(reply), status]() mutable { reply(status); });
}

void TransactionPool::RunWorker(Worker& worker) {
  const std::weak_ptr<int> alive = alive_;
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    if (is_stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    std::optional<Worker::Answer> answer;
    try {
      answer = worker.Run(job.lease, job.request);
    } catch (const std::exception& error) {
      answer = absl::InternalError(absl::StrCat("transaction: ", error.what()));
    }
    // Without an answer only to let the reactor's thread destroy the reply.
    reactor_.Post([alive, reply = std::move(job.reply), answer = std::move(answer)]() mutable {
      if (answer && !alive.expired()) reply(*std::move(answer));
    });
  }
}

void PostgresJournal::RunTransaction(TransactionRequest request,
                                     Reply<std::optional<StepRecord>> reply) {
  const absl::Status status = CheckMayWrite(/*needs_lease=*/true);
  if (!status.ok()) {
    reactor_.Post([reply = std::move(reply), status]() mutable { reply(status); });
    return;
  }
  transactions_->Run(*lease_, std::move(request),
                     [this, lease = *lease_, reply = std::move(reply)](
                         absl::StatusOr<std::optional<StepRecord>> step) mutable {
                       const absl::Status error = step.status();
                       const std::weak_ptr<int> alive = alive_;
                       reply(std::move(step));
                       if (alive.expired() || lease_ != lease) return;
                       if (absl::IsPermissionDenied(error)) OnLeaseLost(error);
                       if (absl::IsDataLoss(error)) OnDataLoss(error);
                     });
}

}  // namespace holdfast::workflows
