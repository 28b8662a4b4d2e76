// Proves the loop's timers with a clock stepped by hand, and its wake-ups across threads: a
// sleeping loop never misses what another thread has queued.

#include "connectors/net/event_loop.h"

#include <catch2/catch.hpp>
#include <memory>

#include "connectors/net/network_thread.h"
#include "engine/base/spsc_ring.h"

namespace holdfast {
namespace {

TEST_CASE("event loop: a timer fires once, at its time, and may be set again", "[net][loop]") {
  ManualClock clock;
  EventLoop loop(clock);
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  loop.RunOnce(0);
  timer.SetAfter(100);
  clock.Advance(99);
  loop.RunOnce(0);
  CHECK(fired == 0);
  clock.Advance(1);
  loop.RunOnce(0);
  loop.RunOnce(0);
  CHECK(fired == 1);
  CHECK_FALSE(timer.is_set());
  timer.SetAfter(5);
  timer.Cancel();
  clock.Advance(10);
  loop.RunOnce(0);
  CHECK(fired == 1);
}

TEST_CASE("event loop: a timer may destroy itself and its neighbours", "[net][loop]") {
  ManualClock clock;
  EventLoop loop(clock);
  int fired = 0;
  std::unique_ptr<Timer> first;
  std::unique_ptr<Timer> second;
  first = std::make_unique<Timer>(loop, [&] {
    ++fired;
    first.reset();
    second.reset();
  });
  second = std::make_unique<Timer>(loop, [&] { ++fired; });
  first->SetAfter(1);
  second->SetAfter(1);
  clock.Advance(1);
  loop.RunOnce(0);
  loop.RunOnce(0);
  CHECK(fired == 1);
}

struct RingPoller : EventLoop::Poller {
  int PollOnce() override {
    int work = 0;
    int64_t value;
    while (ring.TryPop(value)) {
      sum += value;
      ++work;
    }
    if (work > 0) done.store(sum, std::memory_order_release);
    return work;
  }
  SpscRing<int64_t> ring{1024};
  int64_t sum = 0;
  std::atomic<int64_t> done{0};
};

TEST_CASE("network thread: what is queued reaches a loop that sleeps", "[net][loop][threads]") {
  SystemClock clock;
  for (const bool is_spinning : {false, true}) {
    NetworkThread thread({.name = "hf-test", .is_spinning = is_spinning}, clock);
    RingPoller poller;
    thread.loop().AddPoller(&poller);
    thread.Start();
    int64_t expected = 0;
    for (int64_t i = 1; i <= 2000; ++i) {
      REQUIRE(poller.ring.TryPush(i));
      thread.loop().Wake();
      expected += i;
      // Each one must arrive by itself; a lost wake-up would leave it for a second.
      const int64_t deadline_ns = clock.MonotonicNs() + 20 * kNanosPerSecond;
      while (poller.done.load(std::memory_order_acquire) != expected) {
        REQUIRE(clock.MonotonicNs() < deadline_ns);
        std::this_thread::yield();
      }
    }
    bool has_run = false;
    thread.Execute([&] {
      has_run = true;
      thread.loop().RemovePoller(&poller);
    });
    CHECK(has_run);
    thread.Stop();
    thread.Execute([&] { has_run = false; });  // without a thread: in place
    CHECK_FALSE(has_run);
  }
}

}  // namespace
}  // namespace holdfast
