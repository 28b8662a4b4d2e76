// Appends records to a store as fast as it can, until it is killed. Run by store_crash_test:
//
//   store_crash_writer <path> <seed>
//
//   store_crash_writer <path> stops
//
// The second form does nothing but end with proof and begin again: it records a proven stop, then
// reserves an order number, then the same again.
//
// Says on standard output what it knows to be durable, one line each: "open <record count>",
// "stored <record count>", "reserved <first> <end>".
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "engine/base/clock.h"
#include "engine/simple/sqlite_store.h"
#include "tests/engine/simple/store_testing.h"

namespace holdfast::testing {
namespace {

int RunStops(const std::string& path) {
  const SystemClock clock;
  SqliteStore store(TestStoreOptions(path), clock);
  if (!store.Open().ok()) return 1;
  dprintf(STDOUT_FILENO, "open %lu\n", store.record_count());
  while (true) {
    const StampedRecord stop = {.record_time_ns = clock.WallNs(), .record = StopRecord()};
    if (!store.Append({&stop, 1}).ok()) return 1;
    dprintf(STDOUT_FILENO, "stored %lu\n", store.record_count());
    const absl::StatusOr<OrderNumberBlock> block = store.ReserveOrderNumbers(1);
    if (!block.ok()) return 1;
    dprintf(STDOUT_FILENO, "reserved %lu %lu\n", block->first, block->end);
  }
}

int Run(const std::string& path, uint64_t seed) {
  const SystemClock clock;
  SqliteStore store(TestStoreOptions(path), clock);
  const absl::StatusOr<RecoveredState> state = store.Open();
  if (!state.ok()) {
    std::cerr << state.status() << "\n";
    return 1;
  }
  dprintf(STDOUT_FILENO, "open %lu\n", store.record_count());
  RecordMaker maker(seed);
  for (uint64_t i = 0; i < store.record_count(); ++i) maker.Next();
  Prng prng(static_cast<uint64_t>(getpid()));
  while (true) {
    std::vector<StampedRecord> batch(prng.Below(8) + 1);
    for (StampedRecord& record : batch) record = maker.Next();
    if (const absl::Status appended = store.Append(batch); !appended.ok()) {
      std::cerr << appended << "\n";
      return 1;
    }
    dprintf(STDOUT_FILENO, "stored %lu\n", store.record_count());
    if (prng.Chance(1, 5)) {
      const absl::StatusOr<OrderNumberBlock> block = store.ReserveOrderNumbers(prng.Below(50) + 1);
      if (!block.ok()) return 1;
      dprintf(STDOUT_FILENO, "reserved %lu %lu\n", block->first, block->end);
    }
  }
}

}  // namespace
}  // namespace holdfast::testing

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (std::strcmp(argv[2], "stops") == 0) return holdfast::testing::RunStops(argv[1]);
  uint64_t seed = 0;
  std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), seed);
  return holdfast::testing::Run(argv[1], seed);
}
