#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "workflows/postgres/connection.h"
#include "workflows/runtime/journal_types.h"

namespace holdfast::workflows {

// The executor in whose name writers write, as schema `holdfast` knows it.
struct LeaseIdentity {
  std::string executor_id;
  std::string incarnation;  // a UUID
  int64_t epoch = 0;
  bool operator==(const LeaseIdentity&) const = default;
};

// What finally became of a transaction. There is no "in doubt" any more.
struct WriterResult {
  enum class Outcome : uint8_t {
    kCommitted,
    kCommittedUnseen,  // durable, but its answer was lost: `rows` is empty
    kRefused,          // the content; see `error` and `failed_statement`
    kFencesLost,       // see `lost_workflow_ids`
    kLeaseLost,
    kDataLoss,
  };
  Outcome outcome = Outcome::kCommitted;
  std::vector<Rows> rows{};
  std::optional<DatabaseError> error{};
  size_t failed_statement = 0;
  std::vector<std::string> lost_workflow_ids{};
  // It was sent under a lease that has been replaced since: it says nothing about the present one.
  bool is_of_former_lease = false;
};
using WriterReply = absl::AnyInvocable<void(WriterResult)>;

// One writer of the journal: a connection and its place in the sequence of batches. Runs one fenced
// transaction at a time and finds out what became of it, however long that takes.
//
// CRASH: each transaction is whole or absent. After a lost connection the writer's row is read FOR
// UPDATE on a new connection, which waits for a server process that is still at the commit:
// sequence n = committed, n - 1 = not (sent again), less = acknowledged batches are missing.
//
// Without an identity (a client's journal) there is no writer's row: a transaction in doubt is sent
// again, so it must be one that can be.
class WriterSession {
 public:
  struct Callbacks {
    std::function<void()> on_idle;  // ready, and nothing is running
    std::function<void(bool is_available)> on_availability;
    std::function<void(std::string_view channel, std::string_view payload, int backend_pid)>
        on_notification;
  };

  WriterSession(EpollReactor& reactor, ConnectionOptions options, int shard, uint64_t seed,
                Callbacks callbacks);
  ~WriterSession();

  void Open() { connection_.Open(); }
  // From the next transaction on. A running one ends as kLeaseLost if the identity changed.
  void SetIdentity(std::optional<LeaseIdentity> identity);

  bool is_busy() const { return running_.has_value(); }
  // REQUIRES: !is_busy(). With an identity, the fences are checked and the calls become its next
  // batch.
  void Run(std::vector<Fence> fences, std::vector<StatementCall> calls, WriterReply reply);
  // A transaction without a fence that may be sent any number of times; repeated until the server
  // answered. It may overtake or follow a running one. Answers kCommitted or kRefused.
  void Repeat(std::vector<StatementCall> calls, WriterReply reply);

  Connection& connection() { return connection_; }
  // Connected, and the server takes what it is sent: it is not full, read-only or locked.
  bool is_serving() const { return connection_.is_ready() && !is_put_off_; }
  int64_t retry_count() const { return retry_count_; }

 private:
  struct Running {
    std::vector<StatementCall> calls;  // the opening one included
    WriterReply reply;
    std::optional<LeaseIdentity> identity;
    bool is_in_doubt = false;
    bool is_sent = false;
  };
  struct Repeated {
    std::vector<StatementCall> calls;
    WriterReply reply;
  };

  StatementCall BeginCall(const std::vector<Fence>& fences) const;
  void OnReady();
  void SendRunning();
  void OnResult(TransactionResult result);
  void OnRefused(TransactionResult result);
  void ReadSequence();
  void OnSequence(const TransactionResult& result);
  void ResolveSequence(std::optional<int64_t> sequence, std::optional<int64_t> epoch);
  void Finish(WriterResult result);
  void RetryLater(ErrorClass error_class);
  void SetPutOff(bool is_put_off);
  void SendRepeated(std::shared_ptr<Repeated> repeated);
  void PauseRepeated(std::shared_ptr<Repeated> repeated);
  int64_t NextPauseNs();

  EpollReactor& reactor_;
  const int shard_;
  const Callbacks callbacks_;
  Prng prng_;
  std::optional<LeaseIdentity> identity_;
  int64_t sequence_ = 0;  // of the last batch known to be durable
  std::optional<Running> running_;
  std::vector<std::shared_ptr<Repeated>> waiting_;  // for the connection
  std::optional<TimerId> retry_timer_;
  int64_t pause_ms_ = 0;
  int64_t retry_count_ = 0;
  bool is_put_off_ = false;  // the server said "not now" last
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  Connection connection_;  // last: its callbacks use what is above
};

}  // namespace holdfast::workflows
