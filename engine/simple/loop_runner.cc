#include "engine/simple/loop_runner.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr size_t kThreadNameBytes = 15;

absl::Status PinThread(pthread_t thread, int cpu) {
  int error = EINVAL;
  if (cpu >= 0 && cpu < CPU_SETSIZE) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(cpu), &set);
    error = pthread_setaffinity_np(thread, sizeof(set), &set);
  }
  if (error == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("loop: cannot pin the thread: cpu=", cpu, " reason=", std::strerror(error)));
}

}  // namespace

Turn::~Turn() = default;

LoopRunner::LoopRunner(const LoopRunnerOptions& options, Turn& turn, Waker& waker)
    : options_(options), turn_(turn), waker_(waker) {}

LoopRunner::~LoopRunner() {
  const absl::Status ended = Stop();
  static_cast<void>(ended);  // also in status(), for whoever wanted to know
}

absl::Status LoopRunner::Start() {
  HF_ASSERT(!thread_.joinable());
  if (options_.cpu.has_value()) {
    // Tried on this thread first: the loop must not run a turn on a CPU it was not given.
    cpu_set_t before;
    CPU_ZERO(&before);
    pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
    const absl::Status pinned = PinThread(pthread_self(), *options_.cpu);
    if (!pinned.ok()) return pinned;
    pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
  }
  is_running_.store(true, std::memory_order_release);
  thread_ = std::thread([this] { Main(); });
  return absl::OkStatus();
}

void LoopRunner::RequestStop() {
  is_stop_requested_.store(true, std::memory_order_release);
  waker_.Notify();
}

bool LoopRunner::Wait(int64_t timeout_ns) {
  std::unique_lock<std::mutex> lock(mutex_);
  return ended_.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                         [this] { return !is_running(); });
}

absl::Status LoopRunner::Stop() {
  RequestStop();
  if (thread_.joinable()) thread_.join();
  return status();
}

absl::Status LoopRunner::status() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return status_;
}

void LoopRunner::Main() {
  pthread_setname_np(pthread_self(), options_.thread_name.substr(0, kThreadNameBytes).c_str());
  absl::Status status;
  if (options_.cpu.has_value()) status = PinThread(pthread_self(), *options_.cpu);
  if (status.ok()) {
    // The boundary where exceptions of libraries become a status (STYLE: thread entry).
    try {
      RunTurns();
    } catch (const std::exception& exception) {
      status = absl::InternalError(absl::StrCat("loop: exception: thread=", options_.thread_name,
                                                " reason=", exception.what()));
    } catch (...) {
      status = absl::InternalError(
          absl::StrCat("loop: unknown exception: thread=", options_.thread_name));
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  status_ = status;
  is_running_.store(false, std::memory_order_release);
  ended_.notify_all();
}

void LoopRunner::RunTurns() {
  int idle_turns = 0;
  while (!is_stop_requested_.load(std::memory_order_acquire)) {
    const int work = turn_.RunOnce();
    heartbeat_.store(heartbeat_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (work > 0) {
      idle_turns = 0;
    } else {
      Idle(idle_turns++);
    }
  }
}

void LoopRunner::Idle(int idle_turns) {
  switch (options_.idle_policy) {
    case IdlePolicy::kSpin:
      __builtin_ia32_pause();
      return;
    case IdlePolicy::kYield:
      sched_yield();
      return;
    case IdlePolicy::kBlock:
      break;
  }
  if (idle_turns < options_.spin_turns_before_block) {
    __builtin_ia32_pause();
    return;
  }
  // A second look after announcing the sleep: what was pushed before is found, what is pushed later
  // notifies.
  const uint32_t ticket = waker_.PrepareWait();
  const bool has_work = is_stop_requested_.load(std::memory_order_acquire) || turn_.RunOnce() > 0;
  const int64_t timeout_ns = has_work ? 0 : turn_.IdleTimeoutNs();
  if (timeout_ns <= 0) {
    waker_.CancelWait();
    return;
  }
  waker_.Wait(ticket, std::min(timeout_ns, options_.max_sleep_ns));
}

int64_t StallMonitor::StalledForNs(uint64_t heartbeat, int64_t now_monotonic_ns) {
  if (last_heartbeat_ != heartbeat) {
    last_heartbeat_ = heartbeat;
    last_move_ns_ = now_monotonic_ns;
  }
  return now_monotonic_ns - last_move_ns_;
}

}  // namespace holdfast
