#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/spsc_ring.h"

namespace holdfast {

// Lets a consumer thread sleep until a producer has pushed something, without a lost wake-up and
// without a system call while the consumer is awake.
//
//   consumer:  if (RunOnce() == 0) { auto ticket = waker.PrepareWait();
//                                    if (RunOnce() == 0) waker.Wait(ticket, timeout_ns); else
//                                    waker.CancelWait(); }
//   producer:  ring.TryPush(x); waker.Notify();
//
// Any number of producers, one consumer.
class Waker {
 public:
  // Consumer. From here on a Notify() makes Wait() return.
  uint32_t PrepareWait();
  void CancelWait();
  // Consumer. Sleeps until a Notify() after PrepareWait(), or for at most `timeout_ns`.
  void Wait(uint32_t ticket, int64_t timeout_ns);
  // Any thread. One locked instruction while the consumer is awake; a futex call when it sleeps.
  void Notify();

 private:
  alignas(kCacheLineBytes) std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> is_waiting_{0};
};

}  // namespace holdfast
