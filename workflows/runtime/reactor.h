#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "engine/base/clock.h"

namespace holdfast::workflows {

using Callback = absl::AnyInvocable<void()>;

enum class TimerId : uint64_t {};

// The one thread on which workflows run and journals report: a queue of callbacks and timers.
//
// Production waits in epoll (epoll_reactor.h); simulation steps a virtual clock
// (simulated_reactor.h). Callbacks run one at a time, posted ones in the order they were posted,
// timers in the order of their time (equal times: in the order they were set). A callback may post,
// set and cancel timers; nothing it posts runs before it returns.
//
// Threads: Post from any; everything else from the reactor's own thread, or before it runs.
// Lifetime: whoever hands in a callback keeps what it refers to alive until it ran, was canceled,
// or the reactor is gone; callbacks left over are destroyed with the reactor, not run.
class Reactor {
 public:
  virtual ~Reactor();

  virtual const Clock& clock() const = 0;
  virtual void Post(Callback callback) = 0;
  // Runs `callback` once, at or after `monotonic_ns` of clock(). A time in the past is due at once,
  // but not from inside this call.
  virtual TimerId CallAt(int64_t monotonic_ns, Callback callback) = 0;
  // Unknown and already run timers are ignored.
  virtual void CancelTimer(TimerId timer) = 0;
  // Runs what is due, waiting at most `max_wait_ns` when nothing is. Returns how many callbacks
  // ran.
  virtual size_t RunOnce(int64_t max_wait_ns) = 0;

  TimerId CallAfter(int64_t delay_ns, Callback callback) {
    return CallAt(clock().MonotonicNs() + delay_ns, std::move(callback));
  }
};

}  // namespace holdfast::workflows
