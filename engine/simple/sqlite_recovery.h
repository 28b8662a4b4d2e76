#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/simple/sqlite_connection.h"
#include "engine/simple/store.h"

namespace holdfast {

// Reads everything an engine starts from, in one read transaction. What is read is checked again:
// kDataLoss when a row says what no writer of ours can have written.
absl::StatusOr<RecoveredState> LoadRecoveredState(SqliteConnection& connection,
                                                  const StoreOptions& options,
                                                  int64_t instrument_key);

}  // namespace holdfast
