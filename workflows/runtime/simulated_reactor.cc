#include "workflows/runtime/simulated_reactor.h"

#include <algorithm>

namespace holdfast::workflows {

TimerId SimulatedReactor::CallAt(int64_t monotonic_ns, Callback callback) {
  const uint64_t id = ++timer_count_;
  timers_.emplace(std::pair{monotonic_ns, id}, std::move(callback));
  times_by_timer_.emplace(id, monotonic_ns);
  return TimerId{id};
}

void SimulatedReactor::CancelTimer(TimerId timer) {
  const auto found = times_by_timer_.find(static_cast<uint64_t>(timer));
  if (found == times_by_timer_.end()) return;
  timers_.erase({found->second, found->first});
  times_by_timer_.erase(found);
}

size_t SimulatedReactor::RunDueTimers() {
  size_t count = 0;
  const int64_t now_ns = clock_.MonotonicNs();
  // A timer set by a callback for a time that is past waits for the next turn.
  const uint64_t last_id = timer_count_;
  for (auto next = timers_.begin(); next != timers_.end() && next->first.first <= now_ns;) {
    if (next->first.second > last_id) {
      ++next;
      continue;
    }
    Callback callback = std::move(next->second);
    times_by_timer_.erase(next->first.second);
    timers_.erase(next);
    callback();
    ++count;
    next = timers_.begin();  // the callback may have set and canceled any of them
  }
  return count;
}

size_t SimulatedReactor::RunOnce(int64_t max_wait_ns) {
  size_t count = 0;
  for (size_t remaining = posted_.size(); remaining > 0; --remaining) {
    Callback callback = std::move(posted_.front());
    posted_.pop_front();
    callback();
    ++count;
  }
  count += RunDueTimers();
  if (count > 0 || !posted_.empty()) return count;
  if (timers_.empty()) {
    if (max_wait_ns < kForever) clock_.Advance(max_wait_ns);
    return 0;
  }
  const int64_t wait_ns = timers_.begin()->first.first - clock_.MonotonicNs();
  if (wait_ns > max_wait_ns) {
    clock_.Advance(max_wait_ns);
    return 0;
  }
  clock_.Advance(std::max<int64_t>(wait_ns, 0));
  return RunDueTimers();
}

void SimulatedReactor::RunFor(int64_t duration_ns) {
  const int64_t end_ns = clock_.MonotonicNs() + duration_ns;
  while (true) {
    const int64_t left_ns = end_ns - clock_.MonotonicNs();
    if (left_ns <= 0 && posted_.empty() &&
        (timers_.empty() || timers_.begin()->first.first > end_ns)) {
      return;
    }
    RunOnce(std::max<int64_t>(left_ns, 0));
  }
}

}  // namespace holdfast::workflows
