#include "engine/simple/sqlite_connection.h"

#include <sqlite3.h>

#include <cstddef>
#include <memory>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::StatusCode CodeOf(int code) {
  if (code == SQLITE_IOERR_CORRUPTFS) return absl::StatusCode::kDataLoss;
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
    case SQLITE_NOLFS:
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

// Pages are kept in a pool that is taken, and touched, once: otherwise the cache of a young store
// grows for as long as it takes to see its file. More than this comes from the heap.
void SetUpPagePool() {
  constexpr int kPageCount = kSqliteCachePages + kSqliteCachePages / 8;  // and what a write needs
  constexpr int kPageBytes = 4096;
  static const std::unique_ptr<std::byte[]> pool = [] {
    int header_bytes = 0;
    sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header_bytes);
    const int slot_bytes = kPageBytes + (header_bytes + 7) / 8 * 8;
    auto bytes = std::make_unique<std::byte[]>(static_cast<size_t>(slot_bytes) * kPageCount);
    // Refused when SQLite is in use already: then it takes its pages from the heap.
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, bytes.get(), slot_bytes, kPageCount);
    return bytes;
  }();
}

}  // namespace

absl::Status SqliteError(sqlite3* database, int code, std::string_view what) {
  const int extended = database != nullptr ? sqlite3_extended_errcode(database) : code;
  const char* text = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  return absl::Status(CodeOf(extended & 0xff ? extended : code),
                      absl::StrCat(View(what), ": ", text, ": sqlite_code=", extended));
}

void SqliteStatement::Finalizer::operator()(sqlite3_stmt* handle) const {
  sqlite3_finalize(handle);
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(database_, code, "store: statement failed");
}

void SqliteStatement::Reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
}

int64_t SqliteStatement::ColumnInt(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string_view SqliteStatement::ColumnText(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

bool SqliteStatement::IsColumnNull(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

absl::Status SqliteStatement::BindOne(int index, int64_t value) {
  const int code = sqlite3_bind_int64(handle_.get(), index, value);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_, code, "store: bind failed");
}

absl::Status SqliteStatement::BindOne(int index, std::string_view value) {
  // A null pointer would bind NULL; an empty text is a text.
  const char* text = value.data() != nullptr ? value.data() : "";
  const int code =
      sqlite3_bind_text(handle_.get(), index, text, static_cast<int>(value.size()), SQLITE_STATIC);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_, code, "store: bind failed");
}

absl::Status SqliteStatement::BindOne(int index, const std::optional<int64_t>& value) {
  if (value.has_value()) return BindOne(index, *value);
  const int code = sqlite3_bind_null(handle_.get(), index);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(database_, code, "store: bind failed");
}

void SqliteConnection::Closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

absl::StatusOr<SqliteConnection> SqliteConnection::Open(const std::string& path, Mode mode,
                                                        const std::string& vfs) {
  SetUpPagePool();
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0);
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  SqliteConnection connection(handle);
  if (code != SQLITE_OK) {
    return SqliteError(handle, code, absl::StrCat("store: cannot open: path=", path));
  }
  return connection;
}

absl::Status SqliteConnection::Execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return SqliteError(handle_.get(), code, "store: statement failed");
}

absl::StatusOr<SqliteStatement> SqliteConnection::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(handle_.get(), code, "store: cannot prepare");
  return SqliteStatement(handle_.get(), statement);
}

absl::StatusOr<int64_t> SqliteConnection::QueryInt(std::string_view sql) {
  HF_ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  HF_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return absl::NotFoundError(absl::StrCat("store: no row: sql=", View(sql)));
  return statement.ColumnInt(0);
}

absl::StatusOr<std::string> SqliteConnection::QueryText(std::string_view sql) {
  HF_ASSIGN_OR_RETURN(SqliteStatement statement, Prepare(sql));
  HF_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row) return absl::NotFoundError(absl::StrCat("store: no row: sql=", View(sql)));
  return std::string(statement.ColumnText(0));
}

absl::Status SqliteConnection::Begin() { return Execute("BEGIN IMMEDIATE"); }
absl::Status SqliteConnection::Commit() { return Execute("COMMIT"); }

void SqliteConnection::RollBack() {
  // Some errors roll back by themselves; then there is nothing to do.
  if (sqlite3_get_autocommit(handle_.get()) == 0) {
    sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

int SqliteConnection::changed_row_count() const { return sqlite3_changes(handle_.get()); }

absl::Status SqliteConnection::EmptyLog() {
  const int code = sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE,
                                             nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return SqliteError(handle_.get(), code, "store: the log cannot be emptied");
}

void SqliteConnection::SetBusyTimeout(int timeout_ms) {
  sqlite3_busy_timeout(handle_.get(), timeout_ms);
}

}  // namespace holdfast
