// Proves the reactor of production: order of callbacks and timers, posts from other threads that
// wake it, descriptors that come and go inside callbacks, and a wait that costs no time. Real
// descriptors and a real clock; every wait is bounded.
#include "workflows/runtime/epoll_reactor.h"

#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

namespace holdfast::workflows {
namespace {

struct Pipe {
  Pipe() { REQUIRE(pipe(fds) == 0); }
  ~Pipe() {
    close(fds[0]);
    close(fds[1]);
  }
  void Write() const { REQUIRE(write(fds[1], "x", 1) == 1); }
  void Read() const {
    char byte;
    REQUIRE(read(fds[0], &byte, 1) == 1);
  }
  int fds[2];
};

struct Fixture {
  void TurnUntil(const std::function<bool()>& is_done) {
    const int64_t end_ns = clock.MonotonicNs() + 30 * kNanosPerSecond;
    while (!is_done()) {
      REQUIRE(clock.MonotonicNs() < end_ns);
      reactor.RunOnce(kNanosPerSecond);
    }
  }
  SystemClock clock;
  EpollReactor reactor{clock};
  std::string trace;
};

}  // namespace

TEST_CASE("epoll reactor: what a callback posts runs after it, in order", "[runtime]") {
  Fixture f;
  f.reactor.Post([&] {
    f.trace += "a";
    f.reactor.Post([&] { f.trace += "c"; });
  });
  f.reactor.Post([&] { f.trace += "b"; });
  CHECK(f.reactor.RunOnce(0) == 2);
  CHECK(f.trace == "ab");
  CHECK(f.reactor.RunOnce(0) == 1);
  CHECK(f.trace == "abc");
  CHECK(f.reactor.RunOnce(0) == 0);
}

TEST_CASE("epoll reactor: timers run by time, then age, and never from inside a call",
          "[runtime]") {
  Fixture f;
  const int64_t now_ns = f.clock.MonotonicNs();
  f.reactor.CallAt(now_ns - 1, [&] {
    f.trace += "b";
    f.reactor.CallAt(now_ns - 50, [&] { f.trace += "d"; });
  });
  f.reactor.CallAt(now_ns - 2, [&] { f.trace += "a"; });
  const TimerId canceled = f.reactor.CallAt(now_ns - 1, [&] { f.trace += "!"; });
  f.reactor.CallAt(now_ns - 1, [&] { f.trace += "c"; });
  const TimerId late = f.reactor.CallAfter(3'600 * kNanosPerSecond, [&] { f.trace += "!"; });
  CHECK(f.trace.empty());
  f.reactor.CancelTimer(canceled);
  f.reactor.RunOnce(0);
  CHECK(f.trace == "abc");
  f.reactor.RunOnce(0);
  CHECK(f.trace == "abcd");
  f.reactor.CancelTimer(late);
  f.reactor.CancelTimer(canceled);  // known no more
}

TEST_CASE("epoll reactor: a timer bounds the wait", "[runtime]") {
  Fixture f;
  bool has_run = false;
  f.reactor.CallAfter(2 * kNanosPerMilli, [&] { has_run = true; });
  f.TurnUntil([&] { return has_run; });
}

TEST_CASE("epoll reactor: posts of other threads wake it, and none is lost", "[runtime][threads]") {
  Fixture f;
  constexpr int kThreads = 3;
  constexpr int kPosts = 5'000;
  std::vector<int> next(kThreads, 0);
  bool is_ordered = true;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kPosts; ++i) {
        f.reactor.Post([&, thread, i] {
          is_ordered = is_ordered && next[static_cast<size_t>(thread)] == i;
          ++next[static_cast<size_t>(thread)];
        });
      }
    });
  }
  f.TurnUntil([&] { return next == std::vector<int>(kThreads, kPosts); });
  CHECK(is_ordered);
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("epoll reactor: Stop ends Run, also from another thread and before it",
          "[runtime][threads]") {
  Fixture f;
  f.reactor.Stop();
  f.reactor.Run();
  std::thread runner([&] { f.reactor.Run(); });
  f.reactor.Stop();
  runner.join();
}

TEST_CASE("epoll reactor: an idle wait takes no processor time", "[runtime]") {
  Fixture f;
  const auto cpu_us = [] {
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  };
  const auto before = cpu_us();
  CHECK(f.reactor.RunOnce(200 * kNanosPerMilli) == 0);
  CHECK(cpu_us() - before < 100'000);
}

TEST_CASE("epoll reactor: descriptors are watched until they are not", "[runtime]") {
  Fixture f;
  Pipe one;
  Pipe two;
  f.reactor.WatchFd(one.fds[0], FdInterest::kRead, [&](FdReady ready) {
    CHECK(ready.is_readable);
    f.trace += "1";
  });
  CHECK(f.reactor.RunOnce(0) == 0);
  one.Write();
  f.reactor.RunOnce(0);
  f.reactor.RunOnce(0);
  CHECK(f.trace == "11");  // until it is read
  one.Read();
  f.reactor.RunOnce(0);
  CHECK(f.trace == "11");
  SECTION("a callback may end its own watch") {
    f.reactor.WatchFd(two.fds[0], FdInterest::kRead, [&](FdReady) {
      f.reactor.UnwatchFd(two.fds[0]);
      f.trace += "2";
    });
    two.Write();
    f.reactor.RunOnce(0);
    f.reactor.RunOnce(0);
    CHECK(f.trace == "112");
  }
  SECTION("a watch that an earlier callback ended is not called") {
    const auto end_both = [&](FdReady) {
      f.reactor.UnwatchFd(one.fds[0]);
      f.reactor.UnwatchFd(two.fds[0]);
      f.trace += "x";
    };
    f.reactor.WatchFd(one.fds[0], FdInterest::kRead, end_both);
    f.reactor.WatchFd(two.fds[0], FdInterest::kRead, end_both);
    one.Write();
    two.Write();
    f.reactor.RunOnce(0);
    CHECK(f.trace == "11x");
  }
  SECTION("interest changes") {
    f.reactor.WatchFd(two.fds[1], FdInterest::kRead, [&](FdReady ready) {
      f.trace += ready.is_writable ? "w" : "?";
      f.reactor.SetInterest(two.fds[1], FdInterest::kRead);
    });
    f.reactor.RunOnce(0);
    CHECK(f.trace == "11");
    f.reactor.SetInterest(two.fds[1], FdInterest::kReadWrite);
    f.reactor.RunOnce(0);
    f.reactor.RunOnce(0);
    CHECK(f.trace == "11w");
  }
  SECTION("a peer that is gone is told") {
    close(one.fds[1]);
    one.fds[1] = dup(one.fds[0]);
    f.reactor.RunOnce(0);
    CHECK(f.trace == "111");
  }
}

}  // namespace holdfast::workflows
