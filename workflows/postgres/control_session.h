#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "workflows/postgres/connection.h"

namespace holdfast::workflows {

// Rows of each statement, in order.
using RowsReply = absl::AnyInvocable<void(absl::StatusOr<std::vector<Rows>>)>;

// The connection of reads and operator calls. Each call is a list of statements in one transaction
// and answers within a bounded time.
//
// Errors: kUnavailable, the database was not reached in time, or the bound on waiting calls is met;
// kUnknown, the answer of a call that must not be repeated was lost: it may have happened;
// otherwise what DatabaseError::ToStatus makes of the server's error.
class ControlSession {
 public:
  struct Options {
    ConnectionOptions connection;
    int64_t timeout_ms = 10'000;
    size_t waiting_count_max = 10'000;
  };

  ControlSession(EpollReactor& reactor, Options options, uint64_t seed);
  ~ControlSession();

  void Open() { connection_.Open(); }
  bool is_available() const { return connection_.is_ready(); }
  // `is_repeatable`: running it twice does what running it once does.
  void Run(std::vector<StatementCall> calls, bool is_repeatable, RowsReply reply);

 private:
  struct Call {
    std::vector<StatementCall> statements;
    bool is_repeatable;
    int64_t deadline_ns;
    RowsReply reply;
  };

  void Send(std::shared_ptr<Call> call);
  void OnResult(std::shared_ptr<Call> call, TransactionResult result);
  void Wait(std::shared_ptr<Call> call);
  void RetryLater(std::shared_ptr<Call> call);
  void OnReady();
  void ArmTimer();
  void ExpireWaiting();

  EpollReactor& reactor_;
  const Options options_;
  std::deque<std::shared_ptr<Call>> waiting_;  // for the connection, by deadline
  std::optional<TimerId> timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  Connection connection_;
};

}  // namespace holdfast::workflows
