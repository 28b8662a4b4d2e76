#include "engine/base/waker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

#include "engine/base/clock.h"

namespace holdfast {

uint32_t Waker::PrepareWait() {
  // Read-modify-write on both sides: whichever comes second in the variable's order sees the first.
  // Either the producer finds is_waiting_ set and wakes us, or this exchange synchronizes with the
  // producer's and our second look at the queues finds what it pushed.
  is_waiting_.exchange(1, std::memory_order_acq_rel);
  return epoch_.load(std::memory_order_acquire);
}

void Waker::CancelWait() { is_waiting_.store(0, std::memory_order_relaxed); }

void Waker::Wait(uint32_t ticket, int64_t timeout_ns) {
  const timespec timeout = {.tv_sec = timeout_ns / kNanosPerSecond,
                            .tv_nsec = timeout_ns % kNanosPerSecond};
  if (timeout_ns > 0 && epoch_.load(std::memory_order_acquire) == ticket) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&epoch_), FUTEX_WAIT_PRIVATE, ticket, &timeout,
            nullptr, 0);
  }
  is_waiting_.store(0, std::memory_order_relaxed);
}

void Waker::Notify() {
  if (is_waiting_.fetch_or(0, std::memory_order_acq_rel) == 0) return;
  epoch_.fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&epoch_), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr,
          0);
}

}  // namespace holdfast
