#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/simple/store.h"

namespace holdfast {

// The embedded store: one SQLite database in WAL mode (docs/store_format.md).
//
// Durable: every commit is synced (synchronous=FULL), so what Append() or ReserveOrderNumbers()
// returned OK for survives the process and the power. Lost at a crash is only what was not yet
// given, or not yet answered. Why not NORMAL, which survives a kill but not a power cut: an order
// number that is reserved but forgotten would be used twice, and records cost one sync per batch
// on a thread that nothing waits for.
//
// Other processes may read the database while it is open (sqlite3 shell); none may write.
class SqliteStore final : public Store {
 public:
  // `clock` must outlive the store. REQUIRES: options.path is not empty.
  SqliteStore(const StoreOptions& options, const Clock& clock);
  ~SqliteStore() override;

  absl::StatusOr<RecoveredState> Open() override;
  absl::Status Append(std::span<const StampedRecord> batch) override;
  absl::StatusOr<OrderNumberBlock> ReserveOrderNumbers(uint64_t count) override;
  absl::StatusOr<int> Prune(int64_t now_wall_ns) override;
  absl::Status Close() override;
  uint64_t record_count() const override;

 private:
  struct Session;  // the open database with its statements and the lock

  absl::StatusOr<RecoveredState> OpenSession(Session& session);
  absl::Status TryAppend(std::span<const StampedRecord> batch);
  absl::StatusOr<OrderNumberBlock> TryReserveOrderNumbers(uint64_t count);
  bool MakeRoom();
  absl::Status WithDiskAdvice(const absl::Status& status) const;

  StoreOptions options_;
  const Clock& clock_;
  std::unique_ptr<Session> session_;
};

}  // namespace holdfast
