#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "engine/base/clock.h"
#include "engine/base/waker.h"

namespace holdfast {

// Something that works in turns: a quoting loop, a store queue.
class Turn {
 public:
  virtual ~Turn();
  // One turn; how much work was done. 0 = nothing to do now. Called by the runner's thread only.
  virtual int RunOnce() = 0;
  // How long the thread may sleep when there is nothing to do: until the next timer. Asked after a
  // turn that returned 0. <= 0: do not sleep.
  virtual int64_t IdleTimeoutNs() = 0;
};

// Makes a Turn of a callable `int()`; for loops whose timers need no more than a fixed tick.
template <typename Callable>
class CallableTurn final : public Turn {
 public:
  CallableTurn(Callable callable, int64_t idle_timeout_ns)
      : callable_(std::move(callable)), idle_timeout_ns_(idle_timeout_ns) {}
  int RunOnce() override { return callable_(); }
  int64_t IdleTimeoutNs() override { return idle_timeout_ns_; }

 private:
  Callable callable_;
  const int64_t idle_timeout_ns_;
};

// What the thread does after a turn without work.
enum class IdlePolicy : uint8_t {
  kSpin,   // next turn at once: lowest latency, one core burned
  kYield,  // lets other threads of the core run first
  kBlock,  // sleeps until the waker is notified or the next timer is due
};

struct LoopRunnerOptions {
  std::string thread_name = "holdfast-loop";  // the kernel keeps the first 15 bytes
  IdlePolicy idle_policy = IdlePolicy::kBlock;
  // kBlock: turns without work before the first sleep, so that a burst does not pay a wake-up per
  // message.
  int spin_turns_before_block = 0;
  // kBlock: the longest sleep, so that the heartbeat goes on and a stop is seen.
  int64_t max_sleep_ns = 100 * kNanosPerMilli;
  std::optional<int> cpu = std::nullopt;  // pin the thread to this one
};

// Runs a Turn on a thread of its own until it is stopped.
//
// Threads: Start(), Stop(), Wait() by the owner; RequestStop(), heartbeat(), is_running(), status()
// by any thread, also from inside a turn. The Turn is called by the runner's thread only.
//
// Errors: an exception that leaves a turn ends the loop and is in status(); a broken assertion
// ends the process.
class LoopRunner {
 public:
  // `turn` and `waker` must outlive the runner. Producers notify the waker after they have pushed
  // something; it is used with IdlePolicy::kBlock only.
  LoopRunner(const LoopRunnerOptions& options, Turn& turn, Waker& waker);
  ~LoopRunner();  // stops
  LoopRunner(const LoopRunner&) = delete;
  LoopRunner& operator=(const LoopRunner&) = delete;

  // kInvalidArgument: no such CPU, or the process may not use it. REQUIRES: called once.
  absl::Status Start();
  // The loop ends after the current turn.
  void RequestStop();
  // Waits until the loop has ended; false when it has not within `timeout_ns`.
  bool Wait(int64_t timeout_ns);
  // RequestStop() and wait; how the loop ended.
  absl::Status Stop();

  bool is_running() const { return is_running_.load(std::memory_order_acquire); }
  // OK while it runs and after a stop; kInternal with the exception's text otherwise.
  absl::Status status() const;
  // Rises with every turn, idle ones included. Feed it to a StallMonitor.
  uint64_t heartbeat() const { return heartbeat_.load(std::memory_order_relaxed); }

 private:
  void Main();
  void RunTurns();
  void Idle(int idle_turns);

  const LoopRunnerOptions options_;
  Turn& turn_;
  Waker& waker_;
  std::thread thread_;

  std::atomic<bool> is_stop_requested_{false};
  std::atomic<bool> is_running_{false};
  alignas(kCacheLineBytes) std::atomic<uint64_t> heartbeat_{0};

  mutable std::mutex mutex_;  // guards status_; taken at the end of the loop only
  std::condition_variable ended_;
  absl::Status status_;
};

// Tells how long a heartbeat has not moved. Lives on the watchdog's side, so that the watched loop
// pays one store per turn and no clock. One thread.
class StallMonitor {
 public:
  // 0 when the heartbeat moved since the last look.
  int64_t StalledForNs(uint64_t heartbeat, int64_t now_monotonic_ns);

 private:
  std::optional<uint64_t> last_heartbeat_;
  int64_t last_move_ns_ = 0;
};

}  // namespace holdfast
