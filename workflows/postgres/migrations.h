#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The database's schema: `dbos` (the journal, DBOS's own tables) and `holdfast` (leases, writers).
// The files are in migrations/, forward only, and embedded in this library.
namespace holdfast::workflows {

// One file of migrations/.
struct Migration {
  int32_t version = 0;
  std::string_view name;
  std::string_view checksum;  // SHA-256 of the file, hexadecimal
  std::string_view sql;
};

// All of them, by version, 1, 2, ... without a gap.
std::span<const Migration> Migrations();

// The version of schema `dbos` that migration 1 creates and the runtime is written for.
inline constexpr int64_t kDbosSchemaVersion = 123;

// Oldest server that has what the schema needs, as server_version_num.
inline constexpr int kPostgresVersionMin = 130000;

struct MigrationOptions {
  bool is_dry_run = false;  // says what would be done; writes nothing
  // Accepts a schema `dbos` of a later version than ours. DBOS's own clients do; whether this
  // runtime's statements still fit is for the operator to judge.
  bool allow_newer_dbos_schema = false;
  int64_t lock_timeout_ms = 60'000;  // how long to wait for somebody else's migration
};

struct MigrationReport {
  std::vector<int32_t> applied;  // versions that this call applied, or would apply
  int32_t version = 0;           // of schema `holdfast` afterwards
  // Of schema `dbos` afterwards. It is never touched when it was there before.
  int64_t dbos_version = 0;
  bool is_dbos_created = false;
  bool is_dry_run = false;
};

// One line for an operator: "schema is at version 2 (dbos 123); applied 1, 2".
std::string ToString(const MigrationReport& report);

// Brings the database that `connection_uri` (libpq's URI or key=value form) names to the latest
// version. Idempotent; several at once are safe: one works, the others wait and find nothing left.
//
// Schema `dbos` made by another party is accepted at version 123 and left alone: no statement of
// ours changes it. An older one is refused (DBOS's own migration brings it up), a newer one too
// unless the options allow it.
//
// CRASH: each migration is one transaction together with its row in holdfast.schema_migrations.
//
// Errors, one line each, never with the password:
//   kUnavailable         no connection, or it was lost; the current migration did not happen unless
//                        a repeat says so
//   kUnauthenticated     user or password refused
//   kNotFound            no such database
//   kPermissionDenied    a right is missing; says which statement wanted it
//   kFailedPrecondition  server too old or read-only; schema newer than this program; a migration
//                        that was applied has another checksum than ours; schema `dbos` unusable
//   kDeadlineExceeded    another migration holds the lock for longer than lock_timeout_ms
//   kInternal            anything else the server says
//
// Blocks; for start-up and for the command line. Thread-safe.
[[nodiscard]] absl::StatusOr<MigrationReport> ApplyMigrations(const std::string& connection_uri,
                                                              const MigrationOptions& options = {});

}  // namespace holdfast::workflows
