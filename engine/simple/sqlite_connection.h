#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

struct sqlite3;
struct sqlite3_stmt;

namespace holdfast {

// Thin owners of SQLite's handles: results become absl::Status in one place, nothing else is added.
// One thread at a time.

// The last error of `database` as a status:
//   kResourceExhausted  disk full
//   kUnavailable        I/O error, busy, read-only: may pass
//   kDataLoss           damaged file, or no database at all
//   kInvalidArgument    a constraint refused the row
//   kInternal           anything else: a mistake in our SQL
absl::Status SqliteError(sqlite3* database, int code, std::string_view what);

// One prepared statement. Bind, step, read, reset; Run() does all of it for statements without
// rows.
inline constexpr int kSqliteCachePages = 256;  // of a connection to a store: 1 MB

class SqliteStatement {
 public:
  SqliteStatement() = default;
  SqliteStatement(sqlite3* database, sqlite3_stmt* handle) : database_(database), handle_(handle) {}

  template <typename... Values>
  absl::Status Run(const Values&... values) {
    HF_RETURN_IF_ERROR(Bind(values...));
    const absl::StatusOr<bool> has_row = Step();
    Reset();
    if (!has_row.ok()) return has_row.status();
    return absl::OkStatus();
  }

  template <typename... Values>
  absl::Status Bind(const Values&... values) {
    int index = 0;
    absl::Status status;
    (((status = BindOne(++index, values)).ok()) && ...);
    return status;
  }

  // True: a row is there. False: done.
  absl::StatusOr<bool> Step();
  // Must follow the last Step(); an open statement keeps the transaction open.
  void Reset();

  int64_t ColumnInt(int column) const;
  std::string_view ColumnText(int column) const;  // valid until the next Step() or Reset()
  bool IsColumnNull(int column) const;

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const;
  };

  absl::Status BindOne(int index, int64_t value);
  absl::Status BindOne(int index, std::string_view value);  // the text must live until Reset()
  absl::Status BindOne(int index, const std::optional<int64_t>& value);

  sqlite3* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
};

class SqliteConnection {
 public:
  enum class Mode : uint8_t { kMustExist, kCreate };

  // `vfs` empty: the default one.
  static absl::StatusOr<SqliteConnection> Open(const std::string& path, Mode mode,
                                               const std::string& vfs);

  // Statements without parameters or rows, separated by semicolons.
  absl::Status Execute(const std::string& sql);
  absl::StatusOr<SqliteStatement> Prepare(std::string_view sql);
  // First column of the first row. kNotFound: no row.
  absl::StatusOr<int64_t> QueryInt(std::string_view sql);
  absl::StatusOr<std::string> QueryText(std::string_view sql);

  // All or nothing. Rolls back unless committed.
  absl::Status Begin();
  absl::Status Commit();
  void RollBack();
  int changed_row_count() const;
  // Moves the whole write-ahead log into the database and gives its space back to the disk.
  // REQUIRES: no open transaction.
  absl::Status EmptyLog();
  void SetBusyTimeout(int timeout_ms);

  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  explicit SqliteConnection(sqlite3* handle) : handle_(handle) {}
  std::unique_ptr<sqlite3, Closer> handle_;
};

}  // namespace holdfast
