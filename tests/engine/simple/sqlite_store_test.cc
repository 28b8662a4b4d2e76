// Proves what only a store on disk can get wrong: ownership, damaged files, other versions, other
// accounts, a changed grid, disks that are full or break at any operation, retention, and the
// rules that the tables enforce by themselves. How: real files, damaged by hand; SQL of a second
// connection; a file layer that fails at an exact operation; a small tmpfs where the process may
// mount one.
#include "engine/simple/sqlite_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "engine/simple/sqlite_connection.h"
#include "engine/simple/sqlite_schema.h"
#include "engine/simple/store_text.h"
#include "tests/engine/simple/faulty_vfs.h"
#include "tests/engine/simple/store_testing.h"

namespace holdfast::testing {
namespace {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

class DiskBench {
 public:
  DiskBench() : options(TestStoreOptions(folder.File("store.db"))) {}

  // Opens, appends the first `count` records of seed 5, closes.
  void Fill(uint64_t count) {
    SqliteStore store(options, clock);
    REQUIRE(store.Open().ok());
    RecordMaker maker(5);
    std::vector<StampedRecord> batch(count);
    for (StampedRecord& record : batch) record = maker.Next();
    REQUIRE(store.Append(batch).ok());
    REQUIRE(store.Close().ok());
  }
  absl::Status TryOpen() { return SqliteStore(options, clock).Open().status(); }
  std::string OpenAndDescribe() {
    SqliteStore store(options, clock);
    const absl::StatusOr<RecoveredState> state = store.Open();
    INFO(state.status());
    REQUIRE(state.ok());
    return Describe(*state);
  }
  // Statements of somebody else's connection, with foreign keys on.
  absl::Status Sql(const std::string& sql) {
    absl::StatusOr<SqliteConnection> connection =
        SqliteConnection::Open(options.path, SqliteConnection::Mode::kMustExist, "");
    REQUIRE(connection.ok());
    REQUIRE(connection->Execute("PRAGMA foreign_keys = ON").ok());
    return connection->Execute(sql);
  }
  int64_t SqlInt(const std::string& sql) {
    absl::StatusOr<SqliteConnection> connection =
        SqliteConnection::Open(options.path, SqliteConnection::Mode::kMustExist, "");
    REQUIRE(connection.ok());
    const absl::StatusOr<int64_t> value = connection->QueryInt(sql);
    INFO(value.status());
    REQUIRE(value.ok());
    return *value;
  }

  TempFolder folder;
  ManualClock clock;
  StoreOptions options;
};

void Overwrite(const std::string& path, int64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

}  // namespace

// --- ownership -----------------------------------------------------------------------------------

TEST_CASE("sqlite store: a second owner is refused with path and pid", "[simple][sqlite]") {
  DiskBench bench;
  SqliteStore first(bench.options, bench.clock);
  REQUIRE(first.Open().ok());
  // The same file by another spelling of its path.
  StoreOptions other_spelling = bench.options;
  other_spelling.path = bench.folder.path() + "/./store.db";
  const absl::Status refused = SqliteStore(other_spelling, bench.clock).Open().status();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK_THAT(std::string(refused.message()), Contains("store.db.lock"));
  CHECK_THAT(std::string(refused.message()), Contains(absl::StrCat("pid=", getpid())));
  REQUIRE(first.Close().ok());
  CHECK(bench.TryOpen().ok());
}

TEST_CASE("sqlite store: another process that holds it is named", "[simple][sqlite]") {
  DiskBench bench;
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    // Only system calls here: what a holder does, without this program's state.
    const std::string lock = bench.options.path + ".lock";
    const int file = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    flock(file, LOCK_EX);
    dprintf(file, "%d\n", getpid());
    const ssize_t told = write(ready[1], "x", 1);
    if (told == 1) pause();
    _exit(0);
  }
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  const absl::Status refused = bench.TryOpen();
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK_THAT(std::string(refused.message()), Contains(absl::StrCat("pid=", child)));

  // Killed, it leaves its lock file behind; that is no obstacle.
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(fs::exists(bench.options.path + ".lock"));
  CHECK(bench.TryOpen().ok());
  close(ready[0]);
  close(ready[1]);
}

TEST_CASE("sqlite store: readers look in while it is open", "[simple][sqlite]") {
  DiskBench bench;
  SqliteStore store(bench.options, bench.clock);
  REQUIRE(store.Open().ok());
  const StampedRecord record = {1, OrderRecord{MakeOrder(1)}};
  REQUIRE(store.Append({&record, 1}).ok());
  CHECK(bench.SqlInt("SELECT count(*) FROM orders") == 1);
}

// --- what the file is ----------------------------------------------------------------------------

// What version 4 added.
constexpr char kDropGridColumns[] =
    "ALTER TABLE instruments DROP COLUMN first_order_number; "
    "ALTER TABLE instruments DROP COLUMN previous_tick_size_e8; ";

TEST_CASE("sqlite store: a newer version is refused", "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(5);
  REQUIRE(bench.Sql(absl::StrCat("PRAGMA user_version = ", kStoreSchemaVersion + 1)).ok());
  const absl::Status refused = bench.TryOpen();
  CHECK(absl::IsInvalidArgument(refused));
  CHECK_THAT(std::string(refused.message()), Contains("newer version"));
}

TEST_CASE("sqlite store: a file of the second version does not say how its run ended",
          "[simple][sqlite][restart]") {
  DiskBench bench;
  bench.Fill(5);
  const std::string before = bench.OpenAndDescribe();
  REQUIRE(bench
              .Sql("ALTER TABLE store_info DROP COLUMN is_stop_proven; " +
                   std::string(kDropGridColumns) +
                   ""
                   "PRAGMA user_version = 2")
              .ok());
  SqliteStore store(bench.options, bench.clock);
  const absl::StatusOr<RecoveredState> state = store.Open();
  INFO(state.status());
  REQUIRE(state.ok());
  CHECK_FALSE(state->is_stop_proven);
  CHECK(Describe(*state) == before);
  REQUIRE(store.Close().ok());
  CHECK(bench.SqlInt("PRAGMA user_version") == kStoreSchemaVersion);
}

TEST_CASE("sqlite store: a proof that failed once is stored with its batch, not before",
          "[simple][sqlite][fault][restart]") {
  FaultyVfs& vfs = FaultyVfs::Instance();
  for (int64_t after = 0; after < 12; ++after) {
    DiskBench bench;
    bench.options.sqlite_vfs = FaultyVfs::kName;
    SqliteStore store(bench.options, bench.clock);
    REQUIRE(store.Open().ok());
    const std::vector<StampedRecord> batch = {{1, OrderRecord{MakeOrder(1)}}, {2, StopRecord()}};
    vfs.Break(FaultyVfs::Fault::kSyncError, after);
    const bool is_stored = store.Append(batch).ok();
    if (!is_stored)
      CHECK(bench.SqlInt("SELECT record_count = 0 OR is_stop_proven FROM store_info"));
    vfs.Heal();
    if (!is_stored) REQUIRE(store.Append(batch).ok());
    CHECK(store.record_count() == 2);
    CHECK(bench.SqlInt("SELECT is_stop_proven FROM store_info") == 1);
    REQUIRE(store.ReserveOrderNumbers(1).ok());
    CHECK(bench.SqlInt("SELECT is_stop_proven FROM store_info") == 0);
    REQUIRE(store.Close().ok());
  }
}

TEST_CASE("sqlite store: a file of the first version is brought up to date", "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(5);
  REQUIRE(bench
              .Sql("DROP TABLE slot_rest; ALTER TABLE store_info DROP COLUMN is_stop_proven; " +
                   std::string(kDropGridColumns) +
                   ""
                   "PRAGMA user_version = 1")
              .ok());
  {
    SqliteStore store(bench.options, bench.clock);
    const auto recovered = store.Open();
    REQUIRE(recovered.ok());
    CHECK(recovered->slot_rest == SlotRest{});
    SlotRecord slot;
    slot.instrument = bench.options.instrument.id;
    slot.slot.line = 7;
    slot.slot_rest = {.base = Decimal::FromUnits(-900), .cost = Decimal::FromUnits(-45)};
    const StampedRecord record = {1, slot};
    REQUIRE(store.Append({&record, 1}).ok());
    REQUIRE(store.Close().ok());
  }
  CHECK(bench.SqlInt("PRAGMA user_version") == kStoreSchemaVersion);
  SqliteStore store(bench.options, bench.clock);
  const auto recovered = store.Open();
  REQUIRE(recovered.ok());
  CHECK(recovered->slot_rest.base == Decimal::FromUnits(-900));
  CHECK(recovered->slot_rest.cost == Decimal::FromUnits(-45));
}

TEST_CASE("sqlite store: another account, venue or symbol is refused", "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(5);
  const StoreOptions good = bench.options;
  bench.options.account_name = "other";
  CHECK(absl::IsInvalidArgument(bench.TryOpen()));
  CHECK_THAT(std::string(bench.TryOpen().message()), Contains("stored=test wanted=other"));
  bench.options = good;
  bench.options.venue_name = "okx";
  CHECK(absl::IsInvalidArgument(bench.TryOpen()));
  bench.options = good;
  bench.options.instrument.symbol = SymbolText("ETHUSDT");
  CHECK(absl::IsInvalidArgument(bench.TryOpen()));
  bench.options = good;
  CHECK(bench.TryOpen().ok());
}

TEST_CASE("sqlite store: a database of another program is refused and not touched",
          "[simple][sqlite]") {
  DiskBench bench;
  {
    absl::StatusOr<SqliteConnection> other =
        SqliteConnection::Open(bench.options.path, SqliteConnection::Mode::kCreate, "");
    REQUIRE(other.ok());
    REQUIRE(other->Execute("CREATE TABLE theirs (x)").ok());
  }
  CHECK(absl::IsInvalidArgument(bench.TryOpen()));
  CHECK(bench.SqlInt("SELECT count(*) FROM theirs") == 0);
}

TEST_CASE("sqlite store: a path that cannot be used is refused", "[simple][sqlite]") {
  DiskBench bench;
  std::ofstream(bench.folder.File("a_file")) << "x";
  bench.options.path = bench.folder.File("a_file/store.db");
  CHECK(absl::IsInvalidArgument(bench.TryOpen()));
  bench.options.path = bench.folder.File("new_folder/deeper/store.db");
  CHECK(bench.TryOpen().ok());
}

TEST_CASE("sqlite store: damage is data loss and the message says what to do", "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(300);
  const std::string path = bench.options.path;
  const auto size = static_cast<int64_t>(fs::file_size(path));
  REQUIRE(size > 10 * 4096);

  SECTION("truncated in the middle") { fs::resize_file(path, static_cast<uintmax_t>(size / 2)); }
  SECTION("truncated inside a page") { fs::resize_file(path, static_cast<uintmax_t>(size - 1000)); }
  SECTION("truncated to nothing") { fs::resize_file(path, 0); }
  SECTION("header overwritten") { Overwrite(path, 0, std::string(100, 'x')); }
  SECTION("first table page overwritten") { Overwrite(path, 4096, std::string(4096, '\xff')); }
  SECTION("a later page overwritten") {
    Overwrite(path, size / 4096 / 2 * 4096, std::string(4096, 'x'));
  }
  SECTION("the database gone, its log still there") {
    fs::remove(path);
    std::ofstream(path + "-wal") << "frames";
  }
  const absl::Status status = bench.TryOpen();
  INFO(status);
  CHECK(absl::IsDataLoss(status));
  CHECK_THAT(std::string(status.message()), Contains(path));
  CHECK_THAT(std::string(status.message()), Contains("restore a backup"));
}

TEST_CASE("sqlite store: a row that no writer of ours made is data loss", "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(100);
  REQUIRE(bench
              .Sql("UPDATE ledger_balances SET balance_e8 = balance_e8 + 1 "
                   "WHERE account = 'wallet' AND asset = 'USDT'")
              .ok());
  CHECK(absl::IsDataLoss(bench.TryOpen()));
}

TEST_CASE("sqlite store: a file that was being made when the process died is made again",
          "[simple][sqlite]") {
  DiskBench bench;
  std::ofstream(bench.options.path + ".new") << "half a database";
  CHECK(bench.TryOpen().ok());
  CHECK_FALSE(fs::exists(bench.options.path + ".new"));
}

// --- change of the grid --------------------------------------------------------------------------

TEST_CASE("sqlite store: a finer grid converts what is live and keeps history as it was",
          "[simple][sqlite]") {
  using namespace literals;
  DiskBench bench;
  bench.Fill(200);
  SqliteStore before_store(bench.options, bench.clock);
  const absl::StatusOr<RecoveredState> before = before_store.Open();
  REQUIRE(before.ok());
  REQUIRE(before_store.Close().ok());
  REQUIRE_FALSE(before->open_orders.empty());
  REQUIRE_FALSE(before->slots.empty());

  bench.options.instrument.tick_size = 0.001_dec;
  bench.options.instrument.lot_size = 0.000001_dec;
  SqliteStore after_store(bench.options, bench.clock);
  const absl::StatusOr<RecoveredState> after = after_store.Open();
  INFO(after.status());
  REQUIRE(after.ok());
  REQUIRE(after->open_orders.size() == before->open_orders.size());
  for (size_t i = 0; i < after->open_orders.size(); ++i) {
    CHECK(after->open_orders[i].price.ticks() == before->open_orders[i].price.ticks() * 10);
    CHECK(after->open_orders[i].quantity == before->open_orders[i].quantity * 10);
    CHECK(after->open_orders[i].filled == before->open_orders[i].filled * 10);
    SlotKey key = SlotKey::Unpack(before->open_orders[i].slot_key);
    key.line *= 10;
    CHECK(after->open_orders[i].slot_key == key.Packed());
  }
  for (size_t i = 0; i < after->slots.size(); ++i) {
    CHECK(after->slots[i].line == before->slots[i].line * 10);
    CHECK(after->slots[i].entry_side == before->slots[i].entry_side);
    CHECK(after->slots[i].entry_price.ticks() == before->slots[i].entry_price.ticks() * 10);
    CHECK(after->slots[i].held == before->slots[i].held * 10);
    CHECK(after->slots[i].held_cost == before->slots[i].held_cost);
  }
  CHECK(after->memory.anchor.ticks() == before->memory.anchor.ticks() * 10);
  CHECK(after->memory.interval_ticks == before->memory.interval_ticks * 10);
  CHECK(after->position.quantity() == before->position.quantity() * 10);
  CHECK(after->position.cost() == before->position.cost());
  CHECK(after->slot_rest == before->slot_rest);  // exact amounts, on no grid
  REQUIRE(after->line_change.has_value());
  CHECK(after->line_change->old_tick_size == 0.01_dec);
  CHECK(after->line_change->new_tick_size == 0.001_dec);
  // Every id of before is below it, every one from now on is not.
  CHECK(after->line_change->first_number > before->open_orders.back().number);
  CHECK(after_store.ReserveOrderNumbers(1)->first >= after->line_change->first_number.value());
  REQUIRE(after_store.Close().ok());

  CHECK(bench.SqlInt("SELECT count(*) FROM fills JOIN instruments USING (instrument_key) "
                     "WHERE tick_size_e8 <> 1000000") == 0);
  // And back: the old grid is the current one again.
  bench.options.instrument = TestInstrument();
  CHECK(bench.OpenAndDescribe() == Describe(*before));
}

TEST_CASE("sqlite store: a grid that stored values do not fit on is refused and changes nothing",
          "[simple][sqlite]") {
  using namespace literals;
  DiskBench bench;
  bench.Fill(200);
  const std::string before = bench.OpenAndDescribe();
  bench.options.instrument.tick_size = 0.03_dec;
  const absl::Status refused = bench.TryOpen();
  CHECK(absl::IsInvalidArgument(refused));
  CHECK_THAT(std::string(refused.message()), Contains("tick size of BTCUSDT from 0.01 to 0.03"));
  CHECK_THAT(std::string(refused.message()), Contains("column=price_ticks"));
  bench.options.instrument = TestInstrument();
  bench.options.instrument.lot_size = 7_dec;
  CHECK(absl::IsInvalidArgument(bench.TryOpen()));
  bench.options.instrument = TestInstrument();
  CHECK(bench.OpenAndDescribe() == before);
}

// A grid's slots and one order of it, without anything else.
class GridBench : public DiskBench {
 public:
  void Store(const std::vector<int32_t>& lines) {
    SqliteStore store(options, clock);
    REQUIRE(store.Open().ok());
    for (int32_t line : lines) {
      const Slot slot{.line = line,
                      .entry_side = Side::kBuy,
                      .state = SlotState::kFilled,
                      .entry_price = Price::FromTicks(1000),
                      .held = Quantity::FromLots(10),
                      .held_cost = Notional::FromUnits(5)};
      const StampedRecord record = {
          1, SlotRecord{.instrument = options.instrument.id, .slot = slot, .slot_rest = {}}};
      REQUIRE(store.Append({&record, 1}).ok());
    }
    REQUIRE(store.Close().ok());
  }
  std::vector<int32_t> Lines() {
    SqliteStore store(options, clock);
    const absl::StatusOr<RecoveredState> state = store.Open();
    INFO(state.status());
    REQUIRE(state.ok());
    std::vector<int32_t> lines;
    for (const Slot& slot : state->slots) lines.push_back(slot.line);
    return lines;
  }
};

TEST_CASE("sqlite store: lines that take each other's name on the way are converted",
          "[simple][sqlite]") {
  using namespace literals;
  GridBench bench;
  bench.Store({10, 100, 1000});
  bench.options.instrument.tick_size = 0.001_dec;
  CHECK(bench.Lines() == std::vector<int32_t>{100, 1000, 10000});
  bench.options.instrument.tick_size = 0.1_dec;
  CHECK(bench.Lines() == std::vector<int32_t>{1, 10, 100});
}

TEST_CASE("sqlite store: a line that fits on no new tick refuses the start in one clear line",
          "[simple][sqlite]") {
  using namespace literals;
  GridBench bench;
  bench.Store({1003});
  bench.options.instrument.tick_size = 0.1_dec;
  const absl::Status refused = bench.TryOpen();
  CHECK(absl::IsInvalidArgument(refused));
  CHECK(std::string(refused.message()) ==
        "store: the venue changed the tick size of BTCUSDT from 0.01 to 0.1 and a stored value "
        "does not fit: table=slots column=line row=1003 1003; cancel the open orders and close the "
        "position at the venue, then move " +
            bench.options.path + " away to start with an empty store");
  // Nor can it grow out of its 32 bits.
  bench.options.instrument.tick_size = 0.00000001_dec;
  bench.options.instrument.max_price = Price::FromTicks(1'000'000'000'000);
  CHECK(bench.TryOpen().ok());  // 1003 x 10^6 still fits
}

TEST_CASE("sqlite store: a line beyond 32 bits refuses the start", "[simple][sqlite]") {
  using namespace literals;
  GridBench bench;
  bench.Store({6'000'000});
  bench.options.instrument.tick_size = 0.00001_dec;
  const absl::Status refused = bench.TryOpen();
  CHECK(absl::IsInvalidArgument(refused));
  CHECK_THAT(std::string(refused.message()), Contains("column=line"));
}

TEST_CASE("sqlite store: lines that are levels stay what they are", "[simple][sqlite]") {
  using namespace literals;
  GridBench bench;
  bench.options.are_lines_prices = false;
  bench.Store({1, 2, 3});
  bench.options.instrument.tick_size = 0.1_dec;
  CHECK(bench.Lines() == std::vector<int32_t>{1, 2, 3});
}

// --- disks that fail -----------------------------------------------------------------------------

TEST_CASE("sqlite store: a disk that fails at any operation loses nothing and heals",
          "[simple][sqlite][fault]") {
  using Fault = FaultyVfs::Fault;
  FaultyVfs& vfs = FaultyVfs::Instance();
  const Fault fault = GENERATE(Fault::kDiskFull, Fault::kWriteError, Fault::kSyncError);
  for (int64_t after = 0; after < 40; ++after) {
    DiskBench bench;
    bench.options.sqlite_vfs = FaultyVfs::kName;
    SqliteStore store(bench.options, bench.clock);
    REQUIRE(store.Open().ok());
    RecordMaker maker(11);
    std::vector<StampedRecord> batch(30);
    for (StampedRecord& record : batch) record = maker.Next();
    REQUIRE(store.Append(std::span(batch).first(10)).ok());

    vfs.Break(fault, after);
    const absl::Status broken = store.Append(std::span(batch).subspan(10));
    const bool is_retryable = absl::IsResourceExhausted(broken) || absl::IsUnavailable(broken);
    INFO("after " << after << ": " << broken);
    CHECK((broken.ok() || is_retryable));
    if (!broken.ok()) {
      // Still broken: the same answer, no harm.
      CHECK_FALSE(store.Append(std::span(batch).subspan(10)).ok());
      CHECK_FALSE(store.ReserveOrderNumbers(10).ok());
      vfs.Heal();
      CHECK(store.Append(std::span(batch).subspan(10)).ok());
    }
    vfs.Heal();
    CHECK(store.ReserveOrderNumbers(10).ok());
    REQUIRE(store.Close().ok());
    CHECK(bench.OpenAndDescribe() == DescribePrefix(11, 30));
  }
}

TEST_CASE("sqlite store: a process that ends on a broken disk leaves a prefix",
          "[simple][sqlite][fault]") {
  FaultyVfs& vfs = FaultyVfs::Instance();
  for (int64_t after = 0; after < 30; ++after) {
    DiskBench bench;
    bench.options.sqlite_vfs = FaultyVfs::kName;
    uint64_t stored = 0;
    uint64_t reserved_end = 0;
    {
      SqliteStore store(bench.options, bench.clock);
      REQUIRE(store.Open().ok());
      RecordMaker maker(12);
      vfs.Break(FaultyVfs::Fault::kWriteError, after);
      for (int i = 0; i < 8; ++i) {
        std::vector<StampedRecord> batch(5);
        for (StampedRecord& record : batch) record = maker.Next();
        if (!store.Append(batch).ok()) break;
        stored += batch.size();
        const absl::StatusOr<OrderNumberBlock> block = store.ReserveOrderNumbers(7);
        if (!block.ok()) break;
        reserved_end = block->end;
      }
    }
    vfs.Heal();
    SqliteStore store(bench.options, bench.clock);
    const absl::StatusOr<RecoveredState> state = store.Open();
    INFO("after " << after << ": " << state.status());
    REQUIRE(state.ok());
    CHECK(store.record_count() == stored);
    CHECK(Describe(*state) == DescribePrefix(12, stored));
    CHECK(store.ReserveOrderNumbers(1)->first >= reserved_end);
  }
}

TEST_CASE("sqlite store: a file system without space is waited out", "[simple][sqlite][fault]") {
  DiskBench bench;
  const std::string mount_point = bench.folder.File("small");
  fs::create_directory(mount_point);
  if (mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=800k") != 0) {
    WARN("not run: this process may not mount a tmpfs");
    return;
  }
  bench.options.path = mount_point + "/store.db";
  uint64_t count = 0;
  {
    SqliteStore store(bench.options, bench.clock);
    REQUIRE(store.Open().ok());
    RecordMaker maker(13);
    StampedRecord record = maker.Next();
    absl::Status status;
    while ((status = store.Append({&record, 1})).ok() && count < 100'000) {
      record = maker.Next();
      ++count;
    }
    INFO(status);
    CHECK(absl::IsResourceExhausted(status));
    CHECK(count > 10);
    CHECK_FALSE(store.Append({&record, 1}).ok());
    REQUIRE(mount("tmpfs", mount_point.c_str(), "tmpfs", MS_REMOUNT, "size=8m") == 0);
    CHECK(store.Append({&record, 1}).ok());
    ++count;
    REQUIRE(store.Close().ok());
    CHECK(bench.OpenAndDescribe() == DescribePrefix(13, count));
  }
  CHECK(umount(mount_point.c_str()) == 0);
}

TEST_CASE("sqlite store: a full disk heals when a little is freed", "[simple][sqlite][fault]") {
  DiskBench bench;
  const std::string mount_point = bench.folder.File("small");
  fs::create_directory(mount_point);
  if (mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=3m") != 0) {
    WARN("not run: this process may not mount a tmpfs");
    return;
  }
  bench.options.path = mount_point + "/store.db";
  bench.options.reserve_bytes = 1 << 20;
  const std::string ballast = mount_point + "/ballast";
  std::ofstream(ballast) << std::string(92'000, 'x');
  uint64_t count = 0;
  {
    SqliteStore store(bench.options, bench.clock);
    REQUIRE(store.Open().ok());
    CHECK(fs::file_size(bench.options.path + ".reserve") == 1 << 20);
    RecordMaker maker(13);
    std::vector<StampedRecord> batch(100);
    absl::Status status;
    for (int i = 0; i < 1000 && status.ok(); ++i) {
      for (StampedRecord& record : batch) record = maker.Next();
      status = store.Append(batch);
      if (status.ok()) count += batch.size();
    }
    INFO(status << " after " << count);
    REQUIRE(absl::IsResourceExhausted(status));
    CHECK_THAT(std::string(status.message()), Contains("free space on this disk"));
    CHECK_FALSE(store.Append(batch).ok());
    // The log was moved away before the store gave up: only the records themselves fill the disk.
    CHECK(fs::file_size(bench.options.path) > 1'500'000);
    CHECK(fs::file_size(bench.options.path + ".reserve") == 1 << 20);

    REQUIRE(fs::remove(ballast));
    for (const StampedRecord& record : batch) {
      status = store.Append({&record, 1});
      INFO(status << " after " << count);
      REQUIRE(status.ok());
      ++count;
    }
    CHECK(store.ReserveOrderNumbers(10).ok());
    REQUIRE(store.Close().ok());
    CHECK_FALSE(fs::exists(bench.options.path + ".reserve"));
    CHECK_FALSE(fs::exists(bench.options.path + "-wal"));
    CHECK(bench.OpenAndDescribe() == DescribePrefix(13, count));
  }
  CHECK(umount(mount_point.c_str()) == 0);
}

TEST_CASE("sqlite store: an operator's open transaction delays, and does not lose, records",
          "[simple][sqlite]") {
  DiskBench bench;
  bench.options.busy_timeout_ms = 0;
  SqliteStore store(bench.options, bench.clock);
  REQUIRE(store.Open().ok());
  const StampedRecord record = {1, OrderRecord{MakeOrder(1)}};
  {
    absl::StatusOr<SqliteConnection> shell =
        SqliteConnection::Open(bench.options.path, SqliteConnection::Mode::kMustExist, "");
    REQUIRE(shell.ok());
    REQUIRE(shell->Begin().ok());
    CHECK(absl::IsUnavailable(store.Append({&record, 1})));
    CHECK(absl::IsUnavailable(store.ReserveOrderNumbers(1).status()));
  }
  CHECK(store.Append({&record, 1}).ok());
  CHECK(store.ReserveOrderNumbers(1).ok());
}

// --- retention -----------------------------------------------------------------------------------

TEST_CASE("sqlite store: finished orders leave after their time, open ones and fills stay",
          "[simple][sqlite]") {
  DiskBench bench;
  bench.options.finished_order_retention_ns = 10 * kNanosPerSecond;
  bench.options.prune_batch = 4;
  SqliteStore store(bench.options, bench.clock);
  REQUIRE(store.Open().ok());
  const int64_t start_ns = bench.clock.WallNs();
  std::vector<StampedRecord> batch;
  for (uint64_t number = 1; number <= 20; ++number) {
    Order order = MakeOrder(number, number <= 5 ? OrderState::kWorking : OrderState::kCanceled);
    order.update_time_ns = start_ns + static_cast<int64_t>(number) * kNanosPerSecond;
    batch.push_back({1, OrderRecord{order}});
  }
  batch.push_back({1, MakeFillRecord(1, 1)});
  REQUIRE(store.Append(batch).ok());

  CHECK(*store.Prune(start_ns + 10 * kNanosPerSecond) == 0);
  // Those of seconds 6 to 14 are older than 10 s, in batches of 4.
  const int64_t now_ns = start_ns + 25 * kNanosPerSecond;
  CHECK(*store.Prune(now_ns) == 4);
  CHECK(*store.Prune(now_ns) == 4);
  CHECK(*store.Prune(now_ns) == 1);
  CHECK(*store.Prune(now_ns) == 0);
  CHECK(bench.SqlInt("SELECT count(*) FROM orders WHERE state = 'working'") == 5);
  CHECK(bench.SqlInt("SELECT min(order_number) FROM orders WHERE state = 'canceled'") == 15);
  CHECK(bench.SqlInt("SELECT count(*) FROM fills") == 1);
}

TEST_CASE("sqlite store: too many finished orders leave whatever their age", "[simple][sqlite]") {
  DiskBench bench;
  bench.options.finished_order_limit = 3;
  SqliteStore store(bench.options, bench.clock);
  REQUIRE(store.Open().ok());
  for (uint64_t number = 1; number <= 10; ++number) {
    Order order = MakeOrder(number, OrderState::kFilled);
    order.update_time_ns = bench.clock.WallNs() + static_cast<int64_t>(number);
    const StampedRecord record = {1, OrderRecord{order}};
    REQUIRE(store.Append({&record, 1}).ok());
  }
  CHECK(*store.Prune(bench.clock.WallNs()) == 7);
  CHECK(*store.Prune(bench.clock.WallNs()) == 0);
  CHECK(bench.SqlInt("SELECT min(order_number) FROM orders") == 8);
}

// --- what the tables enforce ---------------------------------------------------------------------

TEST_CASE("sqlite store: the tables refuse what breaks an invariant, whoever writes it",
          "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(200);
  const auto is_refused = [&bench](const std::string& sql) {
    const absl::Status status = bench.Sql(sql);
    INFO(sql << ": " << status);
    return absl::IsInvalidArgument(status);
  };
  CHECK(is_refused("UPDATE orders SET state = 'lost'"));
  CHECK(is_refused("UPDATE orders SET side = 'both'"));
  CHECK(is_refused("UPDATE orders SET filled_lots = quantity_lots + 1"));
  CHECK(is_refused("UPDATE orders SET filled_lots = -1"));
  CHECK(is_refused("UPDATE orders SET quantity_lots = 0"));
  CHECK(is_refused("UPDATE orders SET price_ticks = 'much'"));
  CHECK(is_refused("UPDATE orders SET client_order_id = 'same'"));
  CHECK(is_refused("UPDATE orders SET instrument_key = 99"));
  CHECK(is_refused("UPDATE slots SET held_lots = 1, state = 'locked'"));
  CHECK(is_refused("UPDATE positions SET quantity_lots = 0, cost_e8 = 1"));
  CHECK(is_refused("UPDATE store_info SET next_order_number = next_order_number - 1"));
  CHECK(is_refused("UPDATE store_info SET record_count = record_count - 1"));
  CHECK(is_refused("UPDATE fills SET fee_e8 = 0"));
  CHECK(is_refused("DELETE FROM fills"));
  CHECK(is_refused("INSERT INTO fills SELECT * FROM fills LIMIT 1"));
  CHECK(is_refused("UPDATE ledger_entries SET amount_e8 = 0"));
  CHECK(is_refused("DELETE FROM ledger_entries"));
  CHECK(is_refused("DELETE FROM ledger_transactions"));
  CHECK(is_refused("UPDATE ledger_transactions SET reason = 'x'"));
  CHECK(
      is_refused("INSERT INTO instruments VALUES (50, 'BTCUSDT', 'B', 'U', 1, 1, 1, NULL, NULL)"));

  const std::string entry = "INSERT INTO ledger_entries VALUES (9999, ";
  CHECK(is_refused("BEGIN; " + entry + "0, 'wallet', 'USDT', 5); COMMIT"));  // never closed
  CHECK(
      is_refused("BEGIN; " + entry + "0, 'wallet', 'USDT', 5); " + entry +
                 "1, 'transfers', 'BTC', -5); INSERT INTO ledger_transactions VALUES "
                 "(9999, 'transfer', NULL, NULL, 0, ''); COMMIT"));  // balances, but not per asset
  CHECK(is_refused("INSERT INTO ledger_entries VALUES (1, 9, 'wallet', 'USDT', 5)"));  // closed
  CHECK(is_refused("INSERT INTO ledger_transactions VALUES (9999, 'fill', 'BTCUSDT', 1, 0, '')"));
  CHECK(bench
            .Sql("BEGIN; " + entry + "0, 'wallet', 'USDT', 5); " + entry +
                 "1, 'transfers', 'USDT', -5); INSERT INTO ledger_transactions VALUES "
                 "(9999, 'transfer', NULL, NULL, 0, ''); COMMIT")
            .ok());
}

TEST_CASE("sqlite store: balances are the sums of the entries", "[simple][sqlite]") {
  DiskBench bench;
  bench.Fill(300);
  CHECK(bench.SqlInt("SELECT count(*) FROM ledger_balances") > 5);
  CHECK(bench.SqlInt("SELECT count(*) FROM (SELECT account, asset, sum(amount_e8) s FROM "
                     "ledger_entries GROUP BY account, asset) JOIN ledger_balances "
                     "USING (account, asset) WHERE s <> balance_e8") == 0);
  CHECK(bench.SqlInt("SELECT count(*) FROM fills f LEFT JOIN ledger_transactions t "
                     "USING (symbol, trade_id) WHERE t.transaction_id IS NULL") == 0);
}

TEST_CASE("sqlite store: the views show exact decimals", "[simple][sqlite]") {
  DiskBench bench;
  SqliteStore store(bench.options, bench.clock);
  REQUIRE(store.Open().ok());
  const std::vector<StampedRecord> batch = {{1, MakeFillRecord(1, 7)},
                                            {1, OrderRecord{MakeOrder(3)}}};
  REQUIRE(store.Append(batch).ok());
  CHECK(bench.SqlInt("SELECT count(*) FROM fills_text WHERE price = '60000.00000000' AND "
                     "quantity = '0.00007000' AND fee = '0.00001234'") == 1);
  CHECK(bench.SqlInt("SELECT count(*) FROM orders_text WHERE price = '60000.03000000' AND "
                     "filled = '0.00000000'") == 1);
  CHECK(bench.SqlInt("SELECT count(*) FROM ledger_balances_text WHERE account = 'wallet' AND "
                     "asset = 'USDT' AND balance = '-4.20001234'") == 1);
}

TEST_CASE("sqlite store: the words on disk are the words of the domain", "[simple][sqlite]") {
  for (int i = 0; i < kOrderStateCount; ++i) {
    CHECK(StoreText(static_cast<OrderState>(i)) == ToText(static_cast<OrderState>(i)));
  }
  for (int i = 0; i < 5; ++i) {
    CHECK(StoreText(static_cast<LedgerAccount>(i)) == ToText(static_cast<LedgerAccount>(i)));
  }
  for (int i = 0; i < 4; ++i) {
    CHECK(StoreText(static_cast<LedgerCause>(i)) == ToText(static_cast<LedgerCause>(i)));
  }
  CHECK(FromStoreText<Side>("sell") == Side::kSell);
  CHECK(FromStoreText<Side>("hold") == std::nullopt);
}

TEST_CASE("sqlite store: its memory does not grow with what is stored", "[store]") {
  DiskBench bench;
  SqliteStore store(bench.options, bench.clock);
  REQUIRE(store.Open().ok());
  RecordMaker maker(5);
  const auto append = [&] {
    std::vector<StampedRecord> batch(500);
    for (StampedRecord& record : batch) record = maker.Next();
    REQUIRE(store.Append(batch).ok());
  };
  append();
  const int64_t after_start = sqlite3_memory_used();
  for (int i = 0; i < 20; ++i) append();
  CHECK(sqlite3_memory_used() - after_start < 64 << 10);
}

}  // namespace holdfast::testing
