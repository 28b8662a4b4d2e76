#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "engine/simple/sqlite_connection.h"
#include "engine/simple/store.h"

namespace holdfast {

// The file format of SqliteStore: docs/store_format.md describes every table. The version is in
// user_version, the mark that a file is one of ours in application_id.
inline constexpr int64_t kStoreSchemaVersion = 4;
inline constexpr int64_t kOldestSchemaVersion = 1;          // brought up to date when it is opened
inline constexpr int64_t kStoreApplicationId = 0x48464c44;  // "HFLD"

// Which order states are final, as SQL; the partial indexes use the same words.
inline constexpr std::string_view kFinalStatesSql =
    "('denied', 'canceled', 'rejected', 'expired', 'filled')";

// Makes a new store file: written under another name, synced, then renamed, so that a file under
// its own name is always complete. CRASH: the file is there whole or not at all.
// REQUIRES: the caller holds the store's lock and nothing exists at options.path.
absl::Status CreateStoreFile(const StoreOptions& options, const Clock& clock);

// Opens an existing file with the settings that every writer needs (WAL, full sync, foreign keys).
absl::StatusOr<SqliteConnection> OpenStoreFile(const StoreOptions& options);

// Whether the file is ours, of this version, sound, and belongs to options' venue, account and
// symbol. An older version is brought up to date. Errors as Store::Open().
absl::Status CheckStoreFile(SqliteConnection& connection, const StoreOptions& options);

// Makes options.instrument's grid the current one and returns its key. When the tick or lot size
// changed since the last run, open orders, slots, strategy memory and position are converted, with
// the tick also the lines in slots and slot keys, if lines are prices; what does not land on the
// new grid is refused with kInvalidArgument and nothing is changed. History keeps the grid of its
// time.
absl::StatusOr<int64_t> AdoptGrid(SqliteConnection& connection, const StoreOptions& options);

}  // namespace holdfast
