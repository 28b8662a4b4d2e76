#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "engine/base/clock.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

// A reactor whose time is stepped: RunOnce never waits, it moves the clock to the next timer
// instead. The same calls in the same order give the same run.
//
// Threads: all of it from one.
class SimulatedReactor final : public Reactor {
 public:
  // `clock` outlives the reactor.
  explicit SimulatedReactor(ManualClock& clock) : clock_(clock) {}

  const Clock& clock() const override { return clock_; }
  void Post(Callback callback) override { posted_.push_back(std::move(callback)); }
  TimerId CallAt(int64_t monotonic_ns, Callback callback) override;
  void CancelTimer(TimerId timer) override;
  // Runs everything that was posted before the call and every timer that is due. With none of
  // either it advances the clock to the next timer, if that lies within max_wait_ns, and runs that;
  // otherwise by max_wait_ns.
  size_t RunOnce(int64_t max_wait_ns) override;

  // Turns until `condition` holds; false when `turn_count_max` turns did not bring it about, or
  // when nothing is left that could.
  template <class Condition>
  bool RunUntil(Condition condition, int64_t turn_count_max = 1'000'000) {
    for (int64_t turn = 0; turn < turn_count_max; ++turn) {
      if (condition()) return true;
      if (posted_.empty() && timers_.empty()) return false;
      RunOnce(kForever);
    }
    return condition();
  }
  // Everything that happens within `duration_ns`; the clock ends exactly that much later.
  void RunFor(int64_t duration_ns);

  size_t waiting_count() const { return posted_.size() + timers_.size(); }

  static constexpr int64_t kForever = int64_t{1} << 60;

 private:
  size_t RunDueTimers();

  ManualClock& clock_;
  std::deque<Callback> posted_;
  // By time, then by the order in which they were set.
  std::map<std::pair<int64_t, uint64_t>, Callback> timers_;
  std::map<uint64_t, int64_t> times_by_timer_;
  uint64_t timer_count_ = 0;
};

}  // namespace holdfast::workflows
