// Proves that a sleeping consumer is woken by every push it has not seen, from several producers,
// with no wait of its own to rescue it: a lost wake-up would let the long time-out pass.

#include "engine/base/waker.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/spsc_ring.h"

namespace holdfast {
namespace {

// Longer than any schedule's delay: a test that needs it has lost a wake-up.
constexpr int64_t kLostNs = 60 * kNanosPerSecond;

}  // namespace

TEST_CASE("waker: a notification between preparing and waiting is not lost",
          "[base][waker][threads]") {
  Waker waker;
  const uint32_t ticket = waker.PrepareWait();
  waker.Notify();
  waker.Wait(ticket, kLostNs);  // returns at once
  const uint32_t canceled = waker.PrepareWait();
  waker.CancelWait();
  waker.Notify();  // nobody waits: nothing happens
  CHECK(waker.PrepareWait() == canceled);
  waker.CancelWait();
}

TEST_CASE("waker: a wait ends by its time-out when nobody notifies", "[base][waker][threads]") {
  Waker waker;
  const uint32_t ticket = waker.PrepareWait();
  waker.Wait(ticket, 1'000);
  const uint32_t again = waker.PrepareWait();
  waker.Wait(again, 0);
  waker.Wait(again, -5);
  SUCCEED("all returned");
}

TEST_CASE("waker: a sleeping consumer gets everything from two producers",
          "[base][waker][threads]") {
  constexpr int kCount = 5'000;
  Waker waker;
  SpscRing<int> first(64);
  SpscRing<int> second(64);
  const auto produce = [&waker](SpscRing<int>& ring) {
    for (int i = 0; i < kCount;) {
      if (ring.TryPush(i)) {
        waker.Notify();
        // Now and then let the consumer fall asleep.
        if (++i % 16 == 0) std::this_thread::yield();
      } else {
        std::this_thread::yield();
      }
    }
  };
  std::thread producers[] = {std::thread([&] { produce(first); }),
                             std::thread([&] { produce(second); })};
  int received = 0;
  const auto drain = [&] {
    int count = 0;
    int element = 0;
    while (first.TryPop(element)) ++count;
    while (second.TryPop(element)) ++count;
    received += count;
    return count;
  };
  while (received < 2 * kCount) {
    if (drain() > 0) continue;
    const uint32_t ticket = waker.PrepareWait();
    if (drain() > 0) {
      waker.CancelWait();
    } else {
      waker.Wait(ticket, kLostNs);
    }
  }
  for (std::thread& producer : producers) producer.join();
  CHECK(received == 2 * kCount);
}

}  // namespace holdfast
