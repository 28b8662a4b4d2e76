#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/prng.h"
#include "workflows/postgres/database_error.h"
#include "workflows/postgres/parameters.h"
#include "workflows/postgres/rows.h"
#include "workflows/runtime/epoll_reactor.h"

struct pg_conn;
struct pg_result;

namespace holdfast::workflows {

// A statement, prepared on a connection at its first use there. Both texts outlive the connection.
// An empty name: parsed anew at each use.
struct Statement {
  std::string_view name;
  std::string_view sql;
};

struct StatementCall {
  Statement statement;
  Parameters parameters;
};

// What became of one transaction.
struct TransactionResult {
  enum class Outcome : uint8_t {
    kCommitted,
    kRefused,  // the server rolled it back; `error` says why
    kNotSent,  // the connection was not there; nothing happened
    kInDoubt,  // the connection was lost before the answer: it may be committed, now or shortly
  };
  Outcome outcome = Outcome::kNotSent;
  std::vector<Rows> rows;  // one a statement; when committed
  std::optional<DatabaseError> error;
  // Index of the statement that failed; the count of statements when the commit itself did.
  size_t failed_statement = 0;

  bool is_committed() const { return outcome == Outcome::kCommitted; }
};
using TransactionReply = absl::AnyInvocable<void(TransactionResult)>;

struct ConnectionOptions {
  // URI or key=value text of libpq. Several hosts are tried in turn, each for connect_timeout_ms;
  // unless the text says otherwise only a server that accepts writes will do.
  std::string database_url;
  std::string application_name = "holdfast";
  // Configuration parameters of the session, besides statement_timeout.
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> channels;  // to listen on
  int64_t connect_timeout_ms = 5'000;
  int64_t statement_timeout_ms = 10'000;
  // The answer must be there this long after the statement's own time is up; otherwise the
  // connection is given up.
  int64_t answer_grace_ms = 5'000;
  int64_t retry_ms_min = 20;
  int64_t retry_ms_max = 2'000;
};

// One connection to the server, on the reactor: connects, prepares, runs transactions in pipeline
// mode, listens. When it is lost it is made again, for ever, with back-off and jitter.
//
// A transaction is a list of statements sent with one sync: one round trip, committed by the
// server at the sync, or none of it. Several may be in flight; they run one after the other.
// Threads: the reactor's. Callbacks never come from inside a call of this class.
class Connection {
 public:
  struct Callbacks {
    std::function<void()> on_ready;                    // (again) connected
    std::function<void(const absl::Status&)> on_lost;  // was ready, is not any more
    std::function<void(const absl::Status&)> on_attempt_failed;
    // `backend_pid` is the sender's.
    std::function<void(std::string_view channel, std::string_view payload, int backend_pid)>
        on_notification;
  };

  // `reactor` outlives the connection. Begins to connect in Open().
  Connection(EpollReactor& reactor, ConnectionOptions options, uint64_t seed, Callbacks callbacks);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Open();
  bool is_ready() const { return state_ == State::kReady; }
  // Of the server's process that serves this connection; 0 when there is none.
  int backend_pid() const;
  const absl::Status& last_error() const { return last_error_; }

  // Sends `calls` as one transaction. Not ready: answers kNotSent.
  // The calls are written out at once and not referred to afterwards.
  void Execute(const std::vector<StatementCall>& calls, TransactionReply reply);
  // Gives the connection up and connects again; transactions in flight are in doubt.
  void Reconnect(std::string_view why);

 private:
  enum class State : uint8_t { kClosed, kWaiting, kConnecting, kSettingUp, kReady };
  // What the server's next answers belong to: a prepare, or a call.
  struct Item {
    std::string_view prepared_name;  // of a prepare; empty for a call
    size_t call_index = 0;
  };
  struct InFlight {
    std::deque<Item> items;
    std::vector<Rows> rows;
    size_t call_count = 0;
    std::optional<DatabaseError> error;
    size_t failed_statement = 0;
    int64_t deadline_ns = 0;
    TransactionReply reply;
  };

  void Connect();
  void PollConnect();
  void SetUp();
  void WatchSocket(FdInterest interest);
  void OnSocket(FdReady ready);
  bool Send(const std::vector<StatementCall>& calls, TransactionReply& reply);
  bool SendCall(const StatementCall& call, InFlight& transaction, size_t index);
  bool Flush();
  void ReadResults();
  // False: this connection is gone (replaced or destroyed) by what a callback did.
  bool HandleResult(pg_result* result);
  bool FinishFront();
  bool DeliverNotifications();
  void Fail(absl::Status why);
  void ScheduleRetry();
  void ArmWatchdog();
  void CheckWatchdog();
  absl::Status ConnectError(std::string_view what) const;

  EpollReactor& reactor_;
  const ConnectionOptions options_;
  const Callbacks callbacks_;
  Prng prng_;
  State state_ = State::kClosed;
  pg_conn* connection_ = nullptr;
  int socket_ = -1;
  std::deque<InFlight> in_flight_;
  absl::flat_hash_set<std::string> prepared_;
  absl::Status last_error_;
  size_t next_host_ = 0;
  size_t host_count_ = 1;
  int64_t retry_ms_ = 0;
  std::optional<TimerId> retry_timer_;
  std::optional<TimerId> attempt_timer_;
  std::optional<TimerId> watchdog_;
  int null_results_ = 0;     // in a row
  uint64_t generation_ = 0;  // of connection_
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::vector<const char*> value_pointers_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

// The same target for a client that blocks: with the limits and the defaults of `options`.
absl::StatusOr<std::string> BlockingConnectionString(const ConnectionOptions& options);

// Checks the text without connecting.
absl::Status CheckDatabaseUrl(const std::string& database_url);

}  // namespace holdfast::workflows
