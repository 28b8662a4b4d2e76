// Proves that both rings are queues: in one thread against std::deque, across two threads by a
// sequence that must arrive whole and in order. Run under ThreadSanitizer (label threads).

#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <span>
#include <thread>
#include <vector>

#include "engine/base/prng.h"
#include "engine/base/spsc_record_ring.h"
#include "engine/base/spsc_ring.h"

namespace holdfast {
namespace {

// A record whose bytes follow from its number, so that a torn or misplaced one is noticed.
void FillRecord(std::span<std::byte> record, uint64_t number) {
  for (size_t i = 0; i < record.size(); ++i) {
    record[i] = static_cast<std::byte>((number * 31 + i) & 0xff);
  }
}
bool IsRecord(std::span<const std::byte> record, uint64_t number) {
  for (size_t i = 0; i < record.size(); ++i) {
    if (record[i] != static_cast<std::byte>((number * 31 + i) & 0xff)) return false;
  }
  return true;
}
size_t RecordSize(uint64_t number) { return (number * 7919) % 200; }

bool PushRecord(SpscRecordRing& ring, uint64_t number, size_t size_bytes) {
  std::byte* const space = ring.Reserve(size_bytes);
  if (space == nullptr) return false;
  FillRecord({space, size_bytes}, number);
  ring.Commit();
  return true;
}

}  // namespace

TEST_CASE("ring: behaves like a bounded queue", "[base][ring]") {
  const uint64_t seed = 21;
  INFO("seed " << seed);
  Prng prng(seed);
  for (const size_t capacity : {1, 2, 8, 64}) {
    SpscRing<int> ring(capacity);
    std::deque<int> reference;
    CHECK(ring.capacity() == capacity);
    for (int i = 0; i < 10'000; ++i) {
      if (prng.Chance(1, 2)) {
        const bool is_pushed = ring.TryPush(i);
        REQUIRE(is_pushed == (reference.size() < capacity));
        if (is_pushed) reference.push_back(i);
      } else {
        int element = -1;
        const bool is_popped = ring.TryPop(element);
        REQUIRE(is_popped == !reference.empty());
        if (is_popped) {
          REQUIRE(element == reference.front());
          reference.pop_front();
        }
      }
      REQUIRE(ring.SizeEstimate() == reference.size());
      const int* const front = ring.Front();
      REQUIRE((front == nullptr) == reference.empty());
      if (front != nullptr) REQUIRE(*front == reference.front());
    }
  }
}

TEST_CASE("ring: a sequence crosses two threads whole and in order", "[base][ring][threads]") {
  constexpr uint64_t kCount = 200'000;
  SpscRing<uint64_t> ring(256);
  std::thread producer([&ring] {
    for (uint64_t i = 0; i < kCount;) {
      if (ring.TryPush(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint64_t expected = 0;
  bool is_in_order = true;
  while (expected < kCount) {
    uint64_t element = 0;
    if (!ring.TryPop(element)) {
      std::this_thread::yield();
      continue;
    }
    is_in_order = is_in_order && element == expected;
    ++expected;
  }
  producer.join();
  CHECK(is_in_order);
  CHECK(ring.SizeEstimate() == 0);
}

TEST_CASE("record ring: behaves like a queue of records", "[base][ring]") {
  const uint64_t seed = 22;
  INFO("seed " << seed);
  Prng prng(seed);
  for (const size_t capacity_bytes : {64, 256, 4096}) {
    SpscRecordRing ring(capacity_bytes);
    std::deque<std::pair<uint64_t, size_t>> reference;
    uint64_t number = 0;
    for (int i = 0; i < 20'000; ++i) {
      if (prng.Chance(1, 2)) {
        const size_t size_bytes = prng.Below(ring.max_record_bytes() + 1);
        const bool was_empty = reference.empty();
        const bool is_pushed = PushRecord(ring, number, size_bytes);
        if (is_pushed) reference.emplace_back(number++, size_bytes);
        // Whatever was before, an empty ring takes the largest record.
        if (was_empty) REQUIRE(is_pushed);
      } else if (const auto front = ring.Front(); front.has_value()) {
        REQUIRE_FALSE(reference.empty());
        REQUIRE(front->size() == reference.front().second);
        REQUIRE(IsRecord(*front, reference.front().first));
        REQUIRE(reinterpret_cast<uintptr_t>(front->data()) % 8 == 0);
        ring.Pop();
        reference.pop_front();
      } else {
        REQUIRE(reference.empty());
      }
      REQUIRE((ring.BytesUsedEstimate() == 0) == reference.empty());
      REQUIRE(ring.BytesUsedEstimate() <= capacity_bytes);
    }
  }
}

TEST_CASE("record ring: a record that can never fit is refused, an empty one is a record",
          "[base][ring]") {
  SpscRecordRing ring(128);
  CHECK(ring.Reserve(ring.max_record_bytes() + 1) == nullptr);
  REQUIRE(PushRecord(ring, 0, 0));
  REQUIRE(ring.Front().has_value());
  CHECK(ring.Front()->empty());
  ring.Pop();
  CHECK_FALSE(ring.Front().has_value());
}

TEST_CASE("record ring: records of all sizes cross two threads whole and in order",
          "[base][ring][threads]") {
  constexpr uint64_t kCount = 100'000;
  SpscRecordRing ring(1024);
  std::thread producer([&ring] {
    for (uint64_t i = 0; i < kCount;) {
      if (PushRecord(ring, i, RecordSize(i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint64_t expected = 0;
  bool is_whole = true;
  while (expected < kCount) {
    const auto front = ring.Front();
    if (!front.has_value()) {
      std::this_thread::yield();
      continue;
    }
    is_whole = is_whole && front->size() == RecordSize(expected) && IsRecord(*front, expected);
    ring.Pop();
    ++expected;
  }
  producer.join();
  CHECK(is_whole);
}

}  // namespace holdfast
