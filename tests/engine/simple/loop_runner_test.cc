// Proves that a loop runs on its own thread under each idle policy, wakes for work and for timers,
// stops when asked, survives nothing that it should not (an exception ends it and is reported), and
// that a stall is seen from outside. How: small turns that count, with bounded waits.
#include "engine/simple/loop_runner.h"

#include <pthread.h>
#include <sched.h>

#include <catch2/catch.hpp>
#include <stdexcept>

#include "engine/base/spsc_ring.h"

namespace holdfast::testing {
namespace {

constexpr int64_t kLimitNs = 20 * kNanosPerSecond;  // a bound, not a measure

// Waits until `condition` holds; false when it does not within the bound.
template <typename Condition>
bool WaitFor(Condition condition) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + kLimitNs;
  while (!condition()) {
    if (clock.MonotonicNs() > deadline_ns) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("loop runner: everything pushed is worked off under every idle policy",
          "[simple][runner]") {
  const IdlePolicy policy = GENERATE(IdlePolicy::kSpin, IdlePolicy::kYield, IdlePolicy::kBlock);
  SpscRing<int> ring(64);
  std::atomic<int64_t> sum{0};
  CallableTurn turn(
      [&] {
        int work = 0;
        for (int value; ring.TryPop(value); ++work) sum += value;
        return work;
      },
      kNanosPerSecond);
  Waker waker;
  LoopRunner runner({.idle_policy = policy, .spin_turns_before_block = 10}, turn, waker);
  REQUIRE(runner.Start().ok());
  int64_t expected = 0;
  for (int i = 1; i <= 20'000; ++i) {
    while (!ring.TryPush(i)) std::this_thread::yield();
    waker.Notify();
    expected += i;
  }
  CHECK(WaitFor([&] { return sum == expected; }));
  CHECK(runner.Stop().ok());
  CHECK_FALSE(runner.is_running());
}

TEST_CASE("loop runner: a sleeping loop turns again when its timer is due", "[simple][runner]") {
  std::atomic<int> turn_count{0};
  CallableTurn turn(
      [&] {
        ++turn_count;
        return 0;
      },
      kNanosPerMilli);
  Waker waker;  // nobody notifies it
  LoopRunner runner({}, turn, waker);
  REQUIRE(runner.Start().ok());
  CHECK(WaitFor([&] { return turn_count > 20; }));
  CHECK(runner.Stop().ok());
}

TEST_CASE("loop runner: a stop ends a long sleep", "[simple][runner]") {
  CallableTurn turn([] { return 0; }, 3600 * kNanosPerSecond);
  Waker waker;
  LoopRunner runner({.max_sleep_ns = 3600 * kNanosPerSecond}, turn, waker);
  REQUIRE(runner.Start().ok());
  REQUIRE(WaitFor([&] { return runner.heartbeat() > 0; }));
  CHECK(runner.is_running());
  CHECK_FALSE(runner.Wait(1));
  CHECK(runner.Stop().ok());
  CHECK(runner.Wait(1));
}

TEST_CASE("loop runner: a turn may stop its own loop", "[simple][runner]") {
  Waker waker;
  std::atomic<LoopRunner*> self{nullptr};
  int turn_count = 0;
  CallableTurn turn(
      [&] {
        if (++turn_count >= 5 && self.load() != nullptr) self.load()->RequestStop();
        return 1;
      },
      kNanosPerMilli);
  LoopRunner runner({}, turn, waker);
  self = &runner;
  REQUIRE(runner.Start().ok());
  CHECK(runner.Wait(kLimitNs));
  CHECK(runner.status().ok());
}

TEST_CASE("loop runner: an exception ends the loop and is reported", "[simple][runner]") {
  CallableTurn turn([]() -> int { throw std::runtime_error("no such level"); }, 1);
  Waker waker;
  LoopRunner runner({.thread_name = "quoting"}, turn, waker);
  REQUIRE(runner.Start().ok());
  REQUIRE(runner.Wait(kLimitNs));
  CHECK(absl::IsInternal(runner.status()));
  CHECK_THAT(std::string(runner.status().message()), Catch::Matchers::Contains("no such level"));
  CHECK_THAT(std::string(runner.status().message()), Catch::Matchers::Contains("thread=quoting"));
  CHECK(absl::IsInternal(runner.Stop()));
}

TEST_CASE("loop runner: the thread has its name and its CPU", "[simple][runner]") {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  REQUIRE(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
  int cpu = 0;
  while (!CPU_ISSET(static_cast<size_t>(cpu), &allowed)) ++cpu;
  std::string name;
  int seen_cpu = -1;
  std::atomic<bool> is_done{false};
  CallableTurn turn(
      [&] {
        if (!is_done) {
          char text[32] = {};
          pthread_getname_np(pthread_self(), text, sizeof(text));
          name = text;
          seen_cpu = sched_getcpu();
          is_done = true;
        }
        return 0;
      },
      kNanosPerMilli);
  Waker waker;
  LoopRunner runner({.thread_name = "a-name-that-is-too-long", .cpu = cpu}, turn, waker);
  REQUIRE(runner.Start().ok());
  REQUIRE(WaitFor([&] { return is_done.load(); }));
  REQUIRE(runner.Stop().ok());
  CHECK(name == "a-name-that-is-");
  CHECK(seen_cpu == cpu);
}

TEST_CASE("loop runner: a CPU that does not exist is refused", "[simple][runner]") {
  CallableTurn turn([] { return 0; }, 1);
  Waker waker;
  for (const int cpu : {-1, 1000, 100'000}) {
    LoopRunner runner({.cpu = cpu}, turn, waker);
    CHECK(absl::IsInvalidArgument(runner.Start()));
    CHECK_FALSE(runner.is_running());
  }
}

TEST_CASE("loop runner: a stall is the time since the heartbeat moved", "[simple][runner]") {
  StallMonitor monitor;
  CHECK(monitor.StalledForNs(1, 100) == 0);
  CHECK(monitor.StalledForNs(1, 150) == 50);
  CHECK(monitor.StalledForNs(2, 200) == 0);
  CHECK(monitor.StalledForNs(2, 900) == 700);
}

TEST_CASE("loop runner: a turn that hangs stops the heartbeat, an idle loop does not",
          "[simple][runner]") {
  std::atomic<bool> is_hanging{false};
  CallableTurn turn(
      [&] {
        while (is_hanging) std::this_thread::yield();
        return 0;
      },
      kNanosPerMilli);
  Waker waker;
  LoopRunner runner({}, turn, waker);
  REQUIRE(runner.Start().ok());
  uint64_t seen = runner.heartbeat();
  CHECK(WaitFor([&] { return runner.heartbeat() > seen + 3; }));
  is_hanging = true;
  // At most the turn that was under way ends; after that the heartbeat stands.
  WaitFor([&, last = uint64_t{0}, same = 0]() mutable {
    same = runner.heartbeat() == last ? same + 1 : 0;
    last = runner.heartbeat();
    return same > 10'000;
  });
  seen = runner.heartbeat();
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  CHECK(runner.heartbeat() == seen);
  is_hanging = false;
  CHECK(WaitFor([&] { return runner.heartbeat() > seen; }));
  CHECK(runner.Stop().ok());
}

}  // namespace holdfast::testing
