// Proves that a process killed at any instant leaves exactly a prefix of what it appended, no less
// than what it was told is stored, and that order numbers never repeat over such deaths. How: a
// writer process is killed with SIGKILL at random instants, again and again on the same file; each
// time the recovered state is compared with a model of the first n records.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "engine/base/clock.h"
#include "engine/simple/sqlite_connection.h"
#include "engine/simple/sqlite_store.h"
#include "tests/engine/simple/store_testing.h"

namespace holdfast::testing {
namespace {

struct WriterReport {
  uint64_t opened_count = 0;
  uint64_t stored_count = 0;
  std::vector<OrderNumberBlock> blocks;
  std::string last_word;
};

// The life of a process that is about to be killed.
void LetRun(int64_t duration_us) {
  const SystemClock clock;
  const int64_t end_ns = clock.MonotonicNs() + duration_us * kNanosPerMicro;
  while (clock.MonotonicNs() < end_ns) std::this_thread::yield();
}

// Starts the writer, kills it `delay_us` after its first line, returns what it said.
WriterReport RunAndKill(const std::string& path, const std::string& seed, int64_t delay_us) {
  int output[2];
  REQUIRE(pipe(output) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDOUT_FILENO);
    close(output[0]);
    close(output[1]);
    execl(STORE_CRASH_WRITER, STORE_CRASH_WRITER, path.c_str(), seed.c_str(), nullptr);
    _exit(127);
  }
  close(output[1]);
  FILE* lines = fdopen(output[0], "r");
  WriterReport report;
  REQUIRE(std::fscanf(lines, "open %lu\n", &report.opened_count) == 1);
  report.stored_count = report.opened_count;
  // The pipe holds far more than a writer says in this time, so nobody waits for us.
  LetRun(delay_us);
  REQUIRE(kill(child, SIGKILL) == 0);
  char word[16];
  while (std::fscanf(lines, "%15s", word) == 1) {
    OrderNumberBlock block;
    report.last_word = word;
    if (report.last_word == "stored") {
      uint64_t count = 0;
      if (std::fscanf(lines, "%lu\n", &count) == 1) report.stored_count = count;
    } else if (std::fscanf(lines, "%lu %lu\n", &block.first, &block.end) == 2) {
      report.blocks.push_back(block);
    }
  }
  std::fclose(lines);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));  // it did not end by itself: no error on its side
  return report;
}

uint64_t ReadNextNumber(const std::string& path) {
  absl::StatusOr<SqliteConnection> connection =
      SqliteConnection::Open(path, SqliteConnection::Mode::kMustExist, "");
  REQUIRE(connection.ok());
  const absl::StatusOr<int64_t> next =
      connection->QueryInt("SELECT next_order_number FROM store_info");
  REQUIRE(next.ok());
  return static_cast<uint64_t>(*next);
}

uint64_t SeedOfThisRun() {
  const char* text = std::getenv("HOLDFAST_TEST_SEED");
  if (text != nullptr) return std::strtoull(text, nullptr, 10);
  return static_cast<uint64_t>(SystemClock().WallNs());
}

}  // namespace

TEST_CASE("sqlite store: after kill -9 at any instant it holds a prefix, and no number repeats",
          "[simple][sqlite][crash]") {
  const uint64_t seed = SeedOfThisRun();
  INFO("HOLDFAST_TEST_SEED=" << seed);
  std::printf("HOLDFAST_TEST_SEED=%lu\n", seed);
  Prng prng(seed);
  const TempFolder folder;
  const std::string path = folder.File("store.db");
  uint64_t numbers_end = 0;
  uint64_t last_count = 0;
  for (int round = 0; round < 25; ++round) {
    INFO("round " << round);
    const WriterReport report = RunAndKill(path, std::to_string(seed), prng.Between(0, 30'000));
    CHECK(report.opened_count == last_count);
    for (const OrderNumberBlock& block : report.blocks) {
      CHECK(block.first >= numbers_end);
      numbers_end = block.end;
    }

    const SystemClock clock;
    SqliteStore store(TestStoreOptions(path), clock);
    const absl::StatusOr<RecoveredState> state = store.Open();
    INFO(state.status());
    REQUIRE(state.ok());
    last_count = store.record_count();
    CHECK(last_count >= report.stored_count);      // nothing that was confirmed is lost
    CHECK(last_count <= report.stored_count + 8);  // at most the batch it was writing
    CHECK(Describe(*state) == DescribePrefix(seed, last_count));
    const absl::StatusOr<OrderNumberBlock> block = store.ReserveOrderNumbers(1);
    REQUIRE(block.ok());
    CHECK(block->first >= numbers_end);
    numbers_end = block->end;
    REQUIRE(store.Close().ok());
  }
  CHECK(last_count > 0);
}

TEST_CASE("sqlite store: a stop is proven only if the kill came before the next run's first number",
          "[simple][sqlite][crash][restart]") {
  const uint64_t seed = SeedOfThisRun();
  INFO("HOLDFAST_TEST_SEED=" << seed);
  Prng prng(seed);
  const TempFolder folder;
  const std::string path = folder.File("store.db");
  int proven_count = 0;
  for (int round = 0; round < 20; ++round) {
    INFO("round " << round);
    const WriterReport report = RunAndKill(path, "stops", prng.Between(0, 15'000));
    const SystemClock clock;
    SqliteStore store(TestStoreOptions(path), clock);
    const absl::StatusOr<RecoveredState> state = store.Open();
    REQUIRE(state.ok());
    proven_count += state->is_stop_proven ? 1 : 0;
    // The write it was in may be there without a word of it.
    const bool has_stop_behind = store.record_count() > report.stored_count;
    const uint64_t reserved_end = report.blocks.empty() ? 0 : report.blocks.back().end;
    const bool has_number_behind =
        report.last_word == "stored" && ReadNextNumber(path) != reserved_end;
    if (report.last_word == "reserved") CHECK(state->is_stop_proven == has_stop_behind);
    if (report.last_word == "stored" && !report.blocks.empty()) {
      CHECK(state->is_stop_proven != has_number_behind);
    }
    REQUIRE(store.Close().ok());
  }
  INFO("proven " << proven_count);
  CHECK(proven_count < 20);
}

TEST_CASE("sqlite store: killed while it makes its file, the next run makes it whole",
          "[simple][sqlite][crash]") {
  const uint64_t seed = SeedOfThisRun();
  INFO("HOLDFAST_TEST_SEED=" << seed);
  Prng prng(seed);
  for (int round = 0; round < 15; ++round) {
    const TempFolder folder;
    const std::string path = folder.File("store.db");
    const pid_t child = fork();
    if (child == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, STDOUT_FILENO);
      execl(STORE_CRASH_WRITER, STORE_CRASH_WRITER, path.c_str(), "1", nullptr);
      _exit(127);
    }
    LetRun(prng.Between(0, 12'000));
    kill(child, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    const SystemClock clock;
    SqliteStore store(TestStoreOptions(path), clock);
    const absl::StatusOr<RecoveredState> state = store.Open();
    INFO(state.status());
    REQUIRE(state.ok());
    CHECK(Describe(*state) == DescribePrefix(1, store.record_count()));
  }
}

}  // namespace holdfast::testing
