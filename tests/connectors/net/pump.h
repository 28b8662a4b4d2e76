#pragma once

#include "connectors/net/event_loop.h"
#include "engine/base/clock.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast::testing {

inline constexpr int64_t kPumpLimitNs = 20 * kNanosPerSecond;

// Runs client and server in turns on this thread until `condition` holds; false when it never does.
// The limit is real time and generous: it is reached only when the test fails.
template <typename Condition>
bool PumpUntil(EventLoop& loop, StubServer& server, Condition condition) {
  SystemClock real_clock;
  const int64_t deadline_ns = real_clock.MonotonicNs() + kPumpLimitNs;
  while (!condition()) {
    if (real_clock.MonotonicNs() > deadline_ns) return false;
    loop.RunOnce(0);
    server.Poll();
  }
  return true;
}

// Lets everything that is under way on loopback arrive: a number of turns without any work.
inline void PumpIdle(EventLoop& loop, StubServer& server) {
  for (int idle_turns = 0; idle_turns < 50;) {
    const int work = loop.RunOnce(0) + server.Poll();
    idle_turns = work == 0 ? idle_turns + 1 : 0;
  }
}

}  // namespace holdfast::testing
