#include "engine/simple/sqlite_schema.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/simple/sqlite_tables.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// What an operator can do about a damaged file; part of every kDataLoss message.
std::string DamageAdvice(const std::string& path) {
  return absl::StrCat(
      "path=", path, "; stop the service, keep a copy of the file and its -wal, then restore a ",
      "backup or salvage with: sqlite3 ", path, " .recover | sqlite3 new.db; or move the files ",
      "away to start empty: order ids do not repeat, open orders are found by asking the venue, ",
      "the position and the ledger start anew");
}

absl::Status Damaged(const std::string& path, absl::string_view reason) {
  return absl::DataLossError(
      absl::StrCat("store: damaged: reason=", reason, " ", DamageAdvice(path)));
}

// While checking, whatever SQLite calls damage is damage of this file, with the advice.
absl::Status WithAdvice(const absl::Status& status, const std::string& path) {
  if (!absl::IsDataLoss(status)) return status;
  return Damaged(path, status.message());
}

absl::Status SyncFolder(const fs::path& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) {
    return absl::UnavailableError(absl::StrCat(
        "store: cannot open the folder: path=", folder.string(), " reason=", std::strerror(errno)));
  }
  const int result = fsync(file);
  const int error = errno;
  close(file);
  if (result == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "store: cannot sync the folder: path=", folder.string(), " reason=", std::strerror(error)));
}

absl::Status WriteNewFile(const std::string& path, const StoreOptions& options,
                          const Clock& clock) {
  HF_ASSIGN_OR_RETURN(
      SqliteConnection connection,
      SqliteConnection::Open(path, SqliteConnection::Mode::kCreate, options.sqlite_vfs));
  HF_RETURN_IF_ERROR(connection.Execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
  HF_RETURN_IF_ERROR(connection.Begin());
  HF_RETURN_IF_ERROR(connection.Execute(std::string(kStoreTablesSql)));
  HF_RETURN_IF_ERROR(connection.Execute(std::string(kSlotRestTableSql)));
  HF_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      connection.Prepare("INSERT INTO store_info (id, venue, account, symbol, created_time_ns, "
                         "next_order_number, record_count, newest_record_time_ns, "
                         "is_stop_proven) VALUES (1, ?, ?, ?, ?, ?, 0, 0, 1)"));
  HF_RETURN_IF_ERROR(insert.Run(std::string_view(options.venue_name),
                                std::string_view(options.account_name),
                                options.instrument.symbol.view(), clock.WallNs(),
                                static_cast<int64_t>(OrderNumberSeed(clock))));
  HF_RETURN_IF_ERROR(
      connection.Execute(absl::StrCat("PRAGMA application_id = ", kStoreApplicationId,
                                      "; PRAGMA user_version = ", kStoreSchemaVersion)));
  return connection.Commit();
}

absl::Status CheckIdentity(SqliteConnection& connection, const StoreOptions& options) {
  HF_ASSIGN_OR_RETURN(SqliteStatement statement,
                      connection.Prepare("SELECT venue, account, symbol FROM store_info"));
  HF_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return absl::DataLossError("store_info is empty");
  const std::string_view wanted[] = {options.venue_name, options.account_name,
                                     options.instrument.symbol.view()};
  constexpr const char* kNames[] = {"venue", "account", "symbol"};
  for (int i = 0; i < 3; ++i) {
    const std::string_view stored = statement.ColumnText(i);
    if (stored == wanted[i]) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "store: belongs to another ", kNames[i], ": path=", options.path, " stored=",
        std::string(stored), " wanted=", std::string(wanted[i]), "; use another path for it"));
  }
  return absl::OkStatus();
}

absl::Status CheckVersion(SqliteConnection& connection, const std::string& path) {
  HF_ASSIGN_OR_RETURN(const int64_t application_id, connection.QueryInt("PRAGMA application_id"));
  if (application_id != kStoreApplicationId) {
    return absl::InvalidArgumentError(absl::StrCat("store: not a holdfast store: path=", path,
                                                   " application_id=", application_id,
                                                   "; use another path"));
  }
  HF_ASSIGN_OR_RETURN(const int64_t version, connection.QueryInt("PRAGMA user_version"));
  if (version > kStoreSchemaVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("store: written by a newer version: path=", path, " version=", version,
                     " known_version=", kStoreSchemaVersion, "; start the newer program"));
  }
  if (version < kOldestSchemaVersion) {
    return Damaged(path, absl::StrCat("impossible version ", version));
  }
  return absl::OkStatus();
}

// What a version needs to become the next one. Version 1 had no rest, version 2 did not say how a
// run ended, version 3 not since which order number a grid is in use.
absl::Status UpgradeFrom(SqliteConnection& connection, int64_t version) {
  if (version == 1) return connection.Execute(std::string(kSlotRestTableSql));
  if (version == 2) {
    return connection.Execute(
        "ALTER TABLE store_info ADD COLUMN is_stop_proven INTEGER NOT NULL DEFAULT 0 "
        "CHECK (is_stop_proven IN (0, 1))");
  }
  return connection.Execute(
      "ALTER TABLE instruments ADD COLUMN first_order_number INTEGER; "
      "ALTER TABLE instruments ADD COLUMN previous_tick_size_e8 INTEGER "
      "CHECK (previous_tick_size_e8 > 0)");
}

// CRASH: the old version whole, or the new one.
absl::Status Upgrade(SqliteConnection& connection) {
  HF_ASSIGN_OR_RETURN(const int64_t version, connection.QueryInt("PRAGMA user_version"));
  if (version == kStoreSchemaVersion) return absl::OkStatus();
  HF_RETURN_IF_ERROR(connection.Begin());
  absl::Status status;
  for (int64_t from = version; from < kStoreSchemaVersion && status.ok(); ++from) {
    status = UpgradeFrom(connection, from);
  }
  if (status.ok()) {
    status = connection.Execute(absl::StrCat("PRAGMA user_version = ", kStoreSchemaVersion));
  }
  if (status.ok()) status = connection.Commit();
  if (!status.ok()) connection.RollBack();
  return status;
}

absl::Status CheckSoundness(SqliteConnection& connection, const std::string& path) {
  HF_ASSIGN_OR_RETURN(const std::string verdict, connection.QueryText("PRAGMA quick_check(1)"));
  if (verdict != "ok") return Damaged(path, verdict);
  return absl::OkStatus();
}

// --- change of the grid ------------------------------------------------------------------------

struct Grid {
  int64_t instrument_key = 0;
  int64_t tick_size_e8 = 0;
  int64_t lot_size_e8 = 0;
};

absl::StatusOr<std::optional<Grid>> CurrentGrid(SqliteConnection& connection,
                                                std::string_view symbol) {
  HF_ASSIGN_OR_RETURN(SqliteStatement statement,
                      connection.Prepare("SELECT instrument_key, tick_size_e8, lot_size_e8 "
                                         "FROM instruments WHERE symbol = ? AND is_current = 1"));
  HF_RETURN_IF_ERROR(statement.Bind(symbol));
  HF_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return std::optional<Grid>();
  return std::optional<Grid>(Grid{.instrument_key = statement.ColumnInt(0),
                                  .tick_size_e8 = statement.ColumnInt(1),
                                  .lot_size_e8 = statement.ColumnInt(2)});
}

absl::StatusOr<Grid> InsertGrid(SqliteConnection& connection, const Instrument& instrument) {
  // A grid that was in use before becomes the current one again.
  HF_ASSIGN_OR_RETURN(
      SqliteStatement insert,
      connection.Prepare("INSERT INTO instruments (symbol, base_asset, quote_asset, tick_size_e8, "
                         "lot_size_e8, is_current) VALUES (?, ?, ?, ?, ?, 1) "
                         "ON CONFLICT (symbol, tick_size_e8, lot_size_e8) "
                         "DO UPDATE SET is_current = 1"));
  HF_RETURN_IF_ERROR(insert.Run(instrument.symbol.view(), instrument.base_asset.view(),
                                instrument.quote_asset.view(), instrument.tick_size.units(),
                                instrument.lot_size.units()));
  HF_ASSIGN_OR_RETURN(const std::optional<Grid> grid,
                      CurrentGrid(connection, instrument.symbol.view()));
  if (!grid.has_value()) return absl::InternalError("store: the grid just written is missing");
  return *grid;
}

// What counts ticks or lots in rows that live on the current grid.
enum class Counts : uint8_t { kTicks, kLots, kLine, kSlotKey };

struct GridColumn {
  const char* table;
  const char* column;
  Counts counts;
  const char* key_column;  // names the row in a message
  const char* condition;
};

constexpr GridColumn kGridColumns[] = {
    {"orders", "price_ticks", Counts::kTicks, "client_order_id", "open"},
    {"orders", "quantity_lots", Counts::kLots, "client_order_id", "open"},
    {"orders", "filled_lots", Counts::kLots, "client_order_id", "open"},
    {"orders", "slot_key", Counts::kSlotKey, "client_order_id", "open"},
    {"slots", "line", Counts::kLine, "line", ""},
    {"slots", "entry_price_ticks", Counts::kTicks, "line", ""},
    {"slots", "held_lots", Counts::kLots, "line", ""},
    {"strategy_memory", "anchor_ticks", Counts::kTicks, "'anchor'", ""},
    {"strategy_memory", "interval_ticks", Counts::kTicks, "'interval'", ""},
    {"positions", "quantity_lots", Counts::kLots, "'position'", ""},
};

std::string LiveRows(const GridColumn& column, const Grid& grid) {
  const std::string by_key = absl::StrCat("instrument_key = ", grid.instrument_key);
  if (*column.condition == '\0') return by_key;
  return absl::StrCat(by_key, " AND state NOT IN ",
                      absl::string_view(kFinalStatesSql.data(), kFinalStatesSql.size()));
}

// From one step to another, in words and in SQL.
struct StepChange {
  const char* name;
  int64_t old_e8;
  int64_t new_e8;
};

StepChange StepOf(const GridColumn& column, const Grid& from, const Grid& to) {
  if (column.counts == Counts::kLots) return {"lot size", from.lot_size_e8, to.lot_size_e8};
  return {"tick size", from.tick_size_e8, to.tick_size_e8};
}

// The count inside the column. SlotKey::Packed(): line * 4 + two bits.
std::string CountSql(const GridColumn& column) {
  if (column.counts != Counts::kSlotKey) return column.column;
  return "((slot_key - (slot_key & 3)) / 4)";
}

std::string ConvertedSql(const GridColumn& column, const StepChange& step) {
  const std::string count =
      absl::StrCat("(", CountSql(column), " * ", step.old_e8, " / ", step.new_e8, ")");
  return column.counts == Counts::kSlotKey ? absl::StrCat(count, " * 4 + (slot_key & 3)") : count;
}

// Every live value lands exactly on the new grid; lines are 32 bits.
absl::Status CheckFits(SqliteConnection& connection, const GridColumn& column, const Grid& from,
                       const StepChange& step, const StoreOptions& options) {
  const std::string count = CountSql(column);
  const bool is_line = column.counts == Counts::kLine || column.counts == Counts::kSlotKey;
  const std::string too_large = is_line ? absl::StrCat(" OR abs(", count, " * ", step.old_e8, " / ",
                                                       step.new_e8, ") > ", INT32_MAX)
                                        : "";
  const absl::StatusOr<std::string> misfit = connection.QueryText(
      absl::StrCat("SELECT ", column.key_column, " || ' ' || ", count, " FROM ", column.table,
                   " WHERE ", LiveRows(column, from), " AND ((", count, " * ", step.old_e8, ") % ",
                   step.new_e8, " <> 0", too_large, ") LIMIT 1"));
  if (absl::IsNotFound(misfit.status())) return absl::OkStatus();
  if (!misfit.ok()) return misfit.status();
  return absl::InvalidArgumentError(absl::StrCat(
      "store: the venue changed the ", step.name, " of ",
      std::string(options.instrument.symbol.view()), " from ",
      Decimal::FromUnits(step.old_e8).ToText(), " to ", Decimal::FromUnits(step.new_e8).ToText(),
      " and a stored value does not fit: table=", column.table, " column=", column.column,
      " row=", *misfit, "; cancel the open orders and close the position at the venue, then move ",
      options.path, " away to start with an empty store"));
}

// Old count x old step / new step. SQLite's 64-bit product cannot overflow because every stored
// value fits in a Decimal.
absl::Status ConvertColumn(SqliteConnection& connection, const GridColumn& column, const Grid& from,
                           const Grid& to, const StoreOptions& options) {
  const StepChange step = StepOf(column, from, to);
  const bool is_line = column.counts == Counts::kLine || column.counts == Counts::kSlotKey;
  if (step.old_e8 == step.new_e8 || (is_line && !options.are_lines_prices)) return absl::OkStatus();
  HF_RETURN_IF_ERROR(CheckFits(connection, column, from, step, options));
  if (column.counts == Counts::kLine) {
    // Part of the key, so it goes to its new value and to the new grid at once: on the way no two
    // slots may have one name.
    return connection.Execute(absl::StrCat("UPDATE slots SET instrument_key = ", to.instrument_key,
                                           ", line = ", ConvertedSql(column, step), " WHERE ",
                                           LiveRows(column, from)));
  }
  return connection.Execute(absl::StrCat("UPDATE ", column.table, " SET ", column.column, " = ",
                                         ConvertedSql(column, step), " WHERE ",
                                         LiveRows(column, from)));
}

absl::Status MoveLiveRows(SqliteConnection& connection, const Grid& from, const Grid& to) {
  for (const char* table : {"slots", "slot_rest", "strategy_memory", "positions"}) {
    HF_RETURN_IF_ERROR(connection.Execute(
        absl::StrCat("UPDATE ", table, " SET instrument_key = ", to.instrument_key,
                     " WHERE instrument_key = ", from.instrument_key)));
  }
  return connection.Execute(absl::StrCat("UPDATE orders SET instrument_key = ", to.instrument_key,
                                         " WHERE ", LiveRows(kGridColumns[0], from)));
}

absl::StatusOr<int64_t> ChangeGrid(SqliteConnection& connection, const StoreOptions& options,
                                   const std::optional<Grid>& from) {
  if (from.has_value()) {
    HF_RETURN_IF_ERROR(connection.Execute(absl::StrCat(
        "UPDATE instruments SET is_current = 0 WHERE instrument_key = ", from->instrument_key)));
  }
  HF_ASSIGN_OR_RETURN(const Grid to, InsertGrid(connection, options.instrument));
  if (!from.has_value()) return to.instrument_key;
  // Both quantity columns of an order change together so that filled <= quantity holds between:
  // growing counts start with quantity, shrinking ones with filled. The line of a slot is last,
  // because it takes the slot to the new grid.
  const bool is_shrinking = to.lot_size_e8 > from->lot_size_e8;
  const GridColumn* line = nullptr;
  for (size_t i = 0; i < std::size(kGridColumns); ++i) {
    const GridColumn& column = kGridColumns[is_shrinking && (i == 1 || i == 2) ? 3 - i : i];
    if (column.counts == Counts::kLine) {
      line = &column;
    } else {
      HF_RETURN_IF_ERROR(ConvertColumn(connection, column, *from, to, options));
    }
  }
  HF_RETURN_IF_ERROR(ConvertColumn(connection, *line, *from, to, options));
  HF_RETURN_IF_ERROR(MoveLiveRows(connection, *from, to));
  // Ids of orders sent until now carry lines of the old tick.
  if (to.tick_size_e8 != from->tick_size_e8) {
    HF_RETURN_IF_ERROR(connection.Execute(
        absl::StrCat("UPDATE instruments SET previous_tick_size_e8 = ", from->tick_size_e8,
                     ", first_order_number = (SELECT next_order_number FROM store_info) "
                     "WHERE instrument_key = ",
                     to.instrument_key)));
  }
  return to.instrument_key;
}

}  // namespace

absl::Status CreateStoreFile(const StoreOptions& options, const Clock& clock) {
  const std::string unfinished = options.path + ".new";
  std::error_code error;
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
    fs::remove(unfinished + suffix, error);
    // A log without its database holds records of a database that is gone. A new file under that
    // name would be mixed with it.
    if (*suffix == '\0' || !fs::exists(options.path + suffix, error)) continue;
    if (fs::file_size(options.path + suffix, error) == 0) {
      fs::remove(options.path + suffix, error);
    } else if (std::string_view(suffix) != "-shm") {
      return Damaged(options.path,
                     absl::StrCat("the database is missing but its ", suffix, " file is there"));
    }
  }
  HF_RETURN_IF_ERROR(WriteNewFile(unfinished, options, clock));
  fs::rename(unfinished, options.path, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("store: cannot rename: from=", unfinished,
                                               " to=", options.path, " reason=", error.message()));
  }
  return SyncFolder(fs::path(options.path).parent_path());
}

absl::StatusOr<SqliteConnection> OpenStoreFile(const StoreOptions& options) {
  std::error_code error;
  // Files are renamed into place complete, so an empty one has lost its content.
  if (fs::file_size(options.path, error) == 0 && !error) {
    return Damaged(options.path, "the file is empty");
  }
  absl::StatusOr<SqliteConnection> connection =
      SqliteConnection::Open(options.path, SqliteConnection::Mode::kMustExist, options.sqlite_vfs);
  if (!connection.ok()) return WithAdvice(connection.status(), options.path);
  connection->SetBusyTimeout(options.busy_timeout_ms);
  // First read of the file: damage in the header shows here.
  const absl::StatusOr<std::string> mode = connection->QueryText("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return WithAdvice(mode.status(), options.path);
  if (*mode != "wal") {
    return absl::InvalidArgumentError(
        absl::StrCat("store: no write-ahead log on this file system: path=", options.path,
                     " journal_mode=", *mode));
  }
  HF_RETURN_IF_ERROR(connection->Execute(
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; "
      "PRAGMA journal_size_limit = 67108864"));
  HF_RETURN_IF_ERROR(connection->Execute(absl::StrCat("PRAGMA cache_size = ", kSqliteCachePages)));
  return connection;
}

absl::Status CheckStoreFile(SqliteConnection& connection, const StoreOptions& options) {
  HF_RETURN_IF_ERROR(WithAdvice(CheckVersion(connection, options.path), options.path));
  HF_RETURN_IF_ERROR(WithAdvice(CheckSoundness(connection, options.path), options.path));
  HF_RETURN_IF_ERROR(WithAdvice(CheckIdentity(connection, options), options.path));
  return WithAdvice(Upgrade(connection), options.path);
}

absl::StatusOr<int64_t> AdoptGrid(SqliteConnection& connection, const StoreOptions& options) {
  const Instrument& instrument = options.instrument;
  HF_ASSIGN_OR_RETURN(const std::optional<Grid> from,
                      CurrentGrid(connection, instrument.symbol.view()));
  if (from.has_value() && from->tick_size_e8 == instrument.tick_size.units() &&
      from->lot_size_e8 == instrument.lot_size.units()) {
    return from->instrument_key;
  }
  HF_RETURN_IF_ERROR(connection.Begin());
  absl::StatusOr<int64_t> key = ChangeGrid(connection, options, from);
  if (key.ok()) {
    const absl::Status committed = connection.Commit();
    if (committed.ok()) return key;
    key = committed;
  }
  connection.RollBack();
  return key;
}

}  // namespace holdfast
