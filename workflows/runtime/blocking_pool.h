#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

// Where step bodies run that block. The number of waiting jobs is bounded by the runs in memory.
class BlockingPool {
 public:
  virtual ~BlockingPool();
  // Runs `work` somewhere, then `done` on the reactor's thread. Both are destroyed unrun when the
  // pool is destroyed first; `done` is touched by the reactor's thread only, but for being moved.
  virtual void Submit(Callback work, Callback done) = 0;
};

// A few threads. Destroying it waits for the bodies that are running; those that wait are dropped.
class ThreadBlockingPool final : public BlockingPool {
 public:
  // REQUIRES: thread_count > 0. `reactor` outlives the pool. Threads are started by the first job.
  ThreadBlockingPool(Reactor& reactor, size_t thread_count);
  ~ThreadBlockingPool() override;
  void Submit(Callback work, Callback done) override;

 private:
  struct Job {
    Callback work;
    Callback done;
  };
  void Run();

  Reactor& reactor_;
  const size_t thread_count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;              // guarded by mutex_
  bool is_stopping_ = false;          // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_ until the destructor
  size_t idle_count_ = 0;             // guarded by mutex_
};

// Simulation: the body runs in a turn of the reactor, on its thread.
class InlineBlockingPool final : public BlockingPool {
 public:
  explicit InlineBlockingPool(Reactor& reactor) : reactor_(reactor) {}
  void Submit(Callback work, Callback done) override;

 private:
  Reactor& reactor_;
};

}  // namespace holdfast::workflows
