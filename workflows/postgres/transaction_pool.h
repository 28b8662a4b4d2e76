#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "workflows/postgres/writer_session.h"
#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

struct TransactionPoolOptions {
  ConnectionOptions connection;
  int32_t first_shard = 0;  // the threads' writers are this one and the following ones
  int32_t thread_count = 0;
  size_t waiting_count_max = 10'000;
  uint64_t seed = 0;
};

// What became of a transaction: the step as recorded, nullopt when the fence was lost, or a final
// error: kPermissionDenied, kDataLoss, kInvalidArgument, or the body's own.
using TransactionStepReply = absl::AnyInvocable<void(absl::StatusOr<std::optional<StepRecord>>)>;

// Threads that run application SQL together with its step record, each on a connection of its own
// (libpqxx) and with a writer's row of its own. A transaction opens like a batch: lease, sequence
// and fence are checked and held until its commit; a lost commit answer is settled by the sequence.
//
// Threads: constructed, used and destroyed on the reactor's, where replies come. The destructor
// cancels the statements in flight and waits for the threads; replies still owed are not called.
class TransactionPool {
 public:
  TransactionPool(EpollReactor& reactor, TransactionPoolOptions options);
  ~TransactionPool();
  TransactionPool(const TransactionPool&) = delete;
  TransactionPool& operator=(const TransactionPool&) = delete;

  // kResourceExhausted when too many wait.
  void Run(LeaseIdentity lease, TransactionRequest request, TransactionStepReply reply);

 private:
  struct Job {
    LeaseIdentity lease;
    TransactionRequest request;
    TransactionStepReply reply;
  };
  class Worker;

  void RunWorker(Worker& worker);

  EpollReactor& reactor_;
  const TransactionPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;      // guarded by mutex_
  bool is_stopping_ = false;  // guarded by mutex_
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::workflows
