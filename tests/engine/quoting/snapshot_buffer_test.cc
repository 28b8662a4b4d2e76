// Proves that readers on other threads see whole snapshots only: every word of one carries the same
// number, and a torn copy would mix two. Runs under ThreadSanitizer.
#include "engine/quoting/snapshot_buffer.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "engine/quoting/status_snapshot.h"

namespace holdfast {
namespace {

struct Sample {
  std::array<uint32_t, 1001> numbers = {};  // not a whole number of words
};

TEST_CASE("snapshot: nothing to read before the first publish", "[quoting]") {
  SnapshotBuffer<Sample> buffer;
  Sample sample;
  CHECK_FALSE(buffer.TryRead(sample));
  CHECK(buffer.publish_count() == 0);
}

TEST_CASE("snapshot: what is read is what was published", "[quoting]") {
  auto buffer = std::make_unique<StatusBuffer>();
  auto written = std::make_unique<StatusSnapshot>();
  auto read = std::make_unique<StatusSnapshot>();
  written->symbol = SymbolText("BTCUSDT");
  written->counters.instrument_changes = 99;
  buffer->Publish(*written);
  REQUIRE(buffer->Read(*read));
  CHECK(read->symbol == "BTCUSDT");
  CHECK(read->counters.instrument_changes == 99);
  CHECK(buffer->publish_count() == 1);
}

TEST_CASE("snapshot: concurrent readers never see a torn one", "[quoting][threads]") {
  constexpr uint32_t kPublishCount = 20'000;
  SnapshotBuffer<Sample> buffer;
  std::atomic<bool> is_done{false};
  std::atomic<int> torn_count{0};
  std::atomic<int> backward_count{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      uint32_t last = 0;
      Sample sample;
      while (!is_done.load(std::memory_order_acquire)) {
        if (!buffer.TryRead(sample)) continue;
        for (uint32_t number : sample.numbers) {
          if (number != sample.numbers[0]) torn_count.fetch_add(1);
        }
        if (sample.numbers[0] < last) backward_count.fetch_add(1);
        last = sample.numbers[0];
      }
    });
  }
  Sample sample;
  for (uint32_t i = 1; i <= kPublishCount; ++i) {
    sample.numbers.fill(i);
    buffer.Publish(sample);
    if (i % 64 == 0) std::this_thread::yield();
  }
  is_done.store(true, std::memory_order_release);
  for (std::thread& reader : readers) reader.join();
  CHECK(torn_count.load() == 0);
  CHECK(backward_count.load() == 0);
  REQUIRE(buffer.TryRead(sample));
  CHECK(sample.numbers[1000] == kPublishCount);
}

}  // namespace
}  // namespace holdfast
