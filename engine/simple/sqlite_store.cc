#include "engine/simple/sqlite_store.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "engine/simple/disk_reserve.h"
#include "engine/simple/sqlite_connection.h"
#include "engine/simple/sqlite_recovery.h"
#include "engine/simple/sqlite_schema.h"
#include "engine/simple/sqlite_writer.h"
#include "engine/simple/store_lock.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// The same file has one name, so that two spellings of a path meet at one lock.
absl::StatusOr<std::string> CanonicalPath(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (!error) fs::create_directories(absolute.parent_path(), error);
  fs::path canonical;
  if (!error) canonical = fs::weakly_canonical(absolute, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("store: cannot use the path: path=", path, " reason=", error.message()));
  }
  return canonical.string();
}

constexpr std::string_view kUpdateInfo =
    "UPDATE store_info SET record_count = record_count + ?, "
    "newest_record_time_ns = max(newest_record_time_ns, ?), is_stop_proven = ?";
constexpr std::string_view kSelectRecordCount = "SELECT record_count FROM store_info";
constexpr std::string_view kReserveNumbers =
    "UPDATE store_info SET next_order_number = max(next_order_number, ?1) + ?2, is_stop_proven = 0 "
    "RETURNING next_order_number";

}  // namespace

struct SqliteStore::Session {
  std::optional<StoreLock> lock;
  std::optional<SqliteConnection> connection;
  std::optional<SqliteWriter> writer;
  SqliteStatement update_info;
  SqliteStatement select_record_count;
  SqliteStatement reserve_numbers;
  SqliteStatement count_finished_orders;
  SqliteStatement delete_finished_orders;

  // Appended and known to be committed. After a failed commit the file may hold more: a commit
  // whose sync failed can turn out to be there.
  uint64_t record_count = 0;
  uint64_t number_seed = 0;

  // Last: it is given back before the connection closes, which moves the log into the database.
  std::optional<DiskReserve> reserve;

  absl::Status PrepareAll(const Instrument& instrument, int64_t instrument_key);
  absl::StatusOr<uint64_t> ReadRecordCount();
  absl::Status WriteBatch(std::span<const StampedRecord> batch);
};

absl::Status SqliteStore::Session::PrepareAll(const Instrument& instrument,
                                              int64_t instrument_key) {
  const std::string final_states(kFinalStatesSql);
  HF_ASSIGN_OR_RETURN(writer, SqliteWriter::Create(*connection, instrument, instrument_key));
  HF_ASSIGN_OR_RETURN(update_info, connection->Prepare(kUpdateInfo));
  HF_ASSIGN_OR_RETURN(select_record_count, connection->Prepare(kSelectRecordCount));
  HF_ASSIGN_OR_RETURN(reserve_numbers, connection->Prepare(kReserveNumbers));
  HF_ASSIGN_OR_RETURN(count_finished_orders,
                      connection->Prepare(absl::StrCat(
                          "SELECT count(*) FROM orders WHERE state IN ", final_states)));
  HF_ASSIGN_OR_RETURN(
      delete_finished_orders,
      connection->Prepare(
          absl::StrCat("DELETE FROM orders WHERE order_number IN (SELECT order_number FROM orders ",
                       "WHERE state IN ", final_states, " AND update_time_ns < ?1 ",
                       "ORDER BY update_time_ns LIMIT ?2)")));
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SqliteStore::Session::ReadRecordCount() {
  const absl::StatusOr<bool> has_row = select_record_count.Step();
  const int64_t count = has_row.ok() && *has_row ? select_record_count.ColumnInt(0) : -1;
  select_record_count.Reset();
  if (!has_row.ok()) return has_row.status();
  if (count < 0) return absl::DataLossError("store: store_info is empty");
  return static_cast<uint64_t>(count);
}

// Inside a transaction.
absl::Status SqliteStore::Session::WriteBatch(std::span<const StampedRecord> batch) {
  HF_ASSIGN_OR_RETURN(const uint64_t stored_count, ReadRecordCount());
  HF_ASSERT(stored_count >= record_count);
  const uint64_t already_stored = std::min<uint64_t>(stored_count - record_count, batch.size());
  HF_RETURN_IF_ERROR(writer->LoadLedgerState());
  int64_t newest_time_ns = 0;
  for (const StampedRecord& stamped : batch.subspan(already_stored)) {
    HF_RETURN_IF_ERROR(writer->Write(stamped.record));
    newest_time_ns = std::max(newest_time_ns, stamped.record_time_ns);
  }
  const bool is_stop = std::holds_alternative<StopRecord>(batch.back().record);
  return update_info.Run(static_cast<int64_t>(batch.size() - already_stored), newest_time_ns,
                         int64_t{is_stop});
}

SqliteStore::SqliteStore(const StoreOptions& options, const Clock& clock)
    : options_(options), clock_(clock) {
  HF_ASSERT(!options.path.empty());
}

SqliteStore::~SqliteStore() = default;

uint64_t SqliteStore::record_count() const {
  HF_ASSERT(session_ != nullptr);
  return session_->record_count;
}

absl::StatusOr<RecoveredState> SqliteStore::Open() {
  HF_RETURN_IF_ERROR(ValidateStoreOptions(options_));
  if (session_ != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("store: already open: path=", options_.path));
  }
  HF_ASSIGN_OR_RETURN(options_.path, CanonicalPath(options_.path));
  auto session = std::make_unique<Session>();
  HF_ASSIGN_OR_RETURN(session->lock, StoreLock::Acquire(options_.path + ".lock"));
  // What an earlier process left is room for this one to start with.
  session->reserve.emplace(options_.path + ".reserve", options_.reserve_bytes);
  absl::StatusOr<RecoveredState> state = OpenSession(*session);
  if (!state.ok()) return WithDiskAdvice(state.status());
  session->reserve->Take();
  session_ = std::move(session);
  return state;
}

absl::StatusOr<RecoveredState> SqliteStore::OpenSession(Session& session) {
  std::error_code error;
  if (!fs::exists(options_.path, error)) HF_RETURN_IF_ERROR(CreateStoreFile(options_, clock_));
  HF_ASSIGN_OR_RETURN(session.connection, OpenStoreFile(options_));
  SqliteConnection& connection = *session.connection;
  HF_RETURN_IF_ERROR(CheckStoreFile(connection, options_));
  HF_ASSIGN_OR_RETURN(const int64_t instrument_key, AdoptGrid(connection, options_));
  HF_RETURN_IF_ERROR(session.PrepareAll(options_.instrument, instrument_key));
  HF_ASSIGN_OR_RETURN(session.record_count, session.ReadRecordCount());
  session.number_seed = OrderNumberSeed(clock_);
  return LoadRecoveredState(connection, options_, instrument_key);
}

absl::Status SqliteStore::Append(std::span<const StampedRecord> batch) {
  HF_ASSERT(session_ != nullptr);
  if (batch.empty()) return absl::OkStatus();
  for (const StampedRecord& stamped : batch) {
    HF_RETURN_IF_ERROR(ValidateRecord(stamped.record, options_.instrument));
  }
  absl::Status status = TryAppend(batch);
  if (absl::IsResourceExhausted(status) && MakeRoom()) status = TryAppend(batch);
  return WithDiskAdvice(status);
}

// SQLite moves its log into the database only after a commit, so a full disk would keep the log,
// and stay full, for ever. The reserve is the room that the database may need to take the log's
// pages up; the log's own space pays it back. True: another try has more room than the last.
bool SqliteStore::MakeRoom() {
  session_->reserve->Release();
  const bool is_empty = session_->connection->EmptyLog().ok();
  session_->reserve->Take();
  return is_empty;
}

absl::Status SqliteStore::WithDiskAdvice(const absl::Status& status) const {
  if (!absl::IsResourceExhausted(status)) return status;
  std::error_code error;
  const auto log_bytes = fs::file_size(options_.path + "-wal", error);
  return absl::ResourceExhaustedError(absl::StrCat(
      status.message(), " path=", options_.path, " log_bytes=", error ? 0 : log_bytes,
      "; free space on this disk: a few MB, or at least log_bytes when its reserve is gone"));
}

absl::Status SqliteStore::TryAppend(std::span<const StampedRecord> batch) {
  SqliteConnection& connection = *session_->connection;
  HF_RETURN_IF_ERROR(connection.Begin());
  absl::Status status = session_->WriteBatch(batch);
  if (status.ok()) status = connection.Commit();
  if (!status.ok()) {
    connection.RollBack();
    return status;
  }
  session_->record_count += batch.size();
  return absl::OkStatus();
}

absl::StatusOr<OrderNumberBlock> SqliteStore::ReserveOrderNumbers(uint64_t count) {
  HF_ASSERT(session_ != nullptr);
  HF_ASSERT(count > 0);
  absl::StatusOr<OrderNumberBlock> block = TryReserveOrderNumbers(count);
  if (absl::IsResourceExhausted(block.status()) && MakeRoom()) {
    block = TryReserveOrderNumbers(count);
  }
  if (!block.ok()) return WithDiskAdvice(block.status());
  return block;
}

absl::StatusOr<OrderNumberBlock> SqliteStore::TryReserveOrderNumbers(uint64_t count) {
  SqliteStatement& reserve = session_->reserve_numbers;
  // A statement of its own is a transaction of its own; it commits when it is stepped to its end.
  HF_RETURN_IF_ERROR(
      reserve.Bind(static_cast<int64_t>(session_->number_seed), static_cast<int64_t>(count)));
  absl::StatusOr<bool> has_row = reserve.Step();
  const uint64_t end =
      has_row.ok() && *has_row ? static_cast<uint64_t>(reserve.ColumnInt(0)) : uint64_t{0};
  if (has_row.ok() && *has_row) has_row = reserve.Step();
  reserve.Reset();
  if (!has_row.ok()) {
    session_->connection->RollBack();
    return has_row.status();
  }
  HF_ASSERT(end > count);
  return OrderNumberBlock{.first = end - count, .end = end};
}

absl::StatusOr<int> SqliteStore::Prune(int64_t now_wall_ns) {
  HF_ASSERT(session_ != nullptr);
  SqliteStatement& count_finished = session_->count_finished_orders;
  const absl::StatusOr<bool> has_row = count_finished.Step();
  const int64_t finished_count = has_row.ok() ? count_finished.ColumnInt(0) : 0;
  count_finished.Reset();
  if (!has_row.ok()) return has_row.status();

  // Too many: the oldest go whatever their age. Otherwise only those past the retention.
  const int64_t excess = finished_count - options_.finished_order_limit;
  const int64_t before_ns =
      excess > 0 ? INT64_MAX : now_wall_ns - options_.finished_order_retention_ns;
  const int64_t limit =
      excess > 0 ? std::min<int64_t>(excess, options_.prune_batch) : options_.prune_batch;
  HF_RETURN_IF_ERROR(session_->delete_finished_orders.Run(before_ns, limit));
  return session_->connection->changed_row_count();
}

absl::Status SqliteStore::Close() {
  // Statements before their connection, the connection before the lock: members go in reverse.
  session_.reset();
  return absl::OkStatus();
}

}  // namespace holdfast
