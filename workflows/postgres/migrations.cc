#include "workflows/postgres/migrations.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::workflows {
namespace {

// Whoever migrates this database holds both for its transaction. The second one is taken by
// migrations of DBOS's own that take any.
constexpr int64_t kMigrationLock = 0x686f6c6466617374;  // "holdfast"
constexpr int64_t kDbosMigrationLock = 1234567890;
constexpr int32_t kDbosMigration = 1;  // the one that creates schema dbos

constexpr char kCreateLedger[] = R"(
CREATE SCHEMA IF NOT EXISTS holdfast;
CREATE TABLE holdfast.schema_migrations (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  checksum   text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
))";

struct LedgerRow {
  int32_t version = 0;
  std::string name;
  std::string checksum;
};

// What the database holds, read within one transaction.
struct SchemaState {
  bool has_ledger = false;
  std::vector<LedgerRow> ledger;        // by version
  bool has_dbos_objects = false;        // anything at all in schema dbos
  std::optional<int64_t> dbos_version;  // none: no version row
};

absl::StatusOr<SchemaState> ReadState(LibpqSession& session) {
  SchemaState state;
  HF_ASSIGN_OR_RETURN(const SessionResult found, session.Execute(R"(
SELECT to_regclass('holdfast.schema_migrations') IS NOT NULL,
       to_regclass('dbos.dbos_migrations') IS NOT NULL,
       EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('dbos'))
         OR EXISTS (SELECT FROM pg_proc WHERE pronamespace = to_regnamespace('dbos')))"));
  const auto& row = found.rows.at(0);
  state.has_ledger = row[0] == "t";
  state.has_dbos_objects = row[2] == "t";
  if (row[1] == "t") {
    HF_ASSIGN_OR_RETURN(const std::optional<std::string> version,
                        session.QueryValue("SELECT max(version) FROM dbos.dbos_migrations"));
    int64_t number = 0;
    if (version.has_value() && absl::SimpleAtoi(*version, &number)) state.dbos_version = number;
  }
  if (state.has_ledger) {
    HF_ASSIGN_OR_RETURN(
        const SessionResult ledger,
        session.Execute(
            "SELECT version, name, checksum FROM holdfast.schema_migrations ORDER BY version"));
    for (const auto& entry : ledger.rows) {
      LedgerRow applied = {.name = *entry[1], .checksum = *entry[2]};
      HF_ASSERT(absl::SimpleAtoi(*entry[0], &applied.version));
      state.ledger.push_back(std::move(applied));
    }
  }
  return state;
}

std::string FileName(const Migration& migration) {
  const std::string number = absl::StrCat(10'000 + migration.version).substr(1);
  return absl::StrCat(number, "_", std::string(migration.name), ".sql");
}

// The ledger is a prefix of ours, with our checksums.
absl::Status CheckLedger(const SchemaState& state) {
  const std::span<const Migration> known = Migrations();
  for (size_t i = 0; i < state.ledger.size(); ++i) {
    const LedgerRow& applied = state.ledger[i];
    if (applied.version > known.back().version) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the database was migrated by a newer program: schema holdfast is at version ",
          state.ledger.back().version, ", this program knows ", known.back().version));
    }
    if (applied.version != known[i].version) {
      return absl::FailedPreconditionError(
          absl::StrCat("holdfast.schema_migrations has a gap: expected version ", known[i].version,
                       ", found ", applied.version));
    }
    if (applied.checksum != known[i].checksum) {
      return absl::FailedPreconditionError(absl::StrCat(
          FileName(known[i]), " was applied with another content than this program's: checksum ",
          applied.checksum.substr(0, 12), " in the database, ",
          std::string(known[i].checksum.substr(0, 12)), " here"));
    }
  }
  return absl::OkStatus();
}

// Schema dbos is absent (to be created) or fit for use.
absl::Status CheckDbosSchema(const SchemaState& state, const MigrationOptions& options) {
  if (!state.dbos_version.has_value()) {
    if (!state.has_dbos_objects && state.ledger.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        state.has_dbos_objects
            ? "schema dbos holds objects but no version in dbos.dbos_migrations; refusing to touch "
              "it"
            : "schema dbos is gone, though it was created here; restore it from a backup");
  }
  if (*state.dbos_version < kDbosSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "schema dbos is at version ", *state.dbos_version, ", needed is ", kDbosSchemaVersion,
        ": run DBOS's own migration first (npx dbos schema URL, @dbos-inc/dbos-sdk 5.3.0)"));
  }
  if (*state.dbos_version > kDbosSchemaVersion && !options.allow_newer_dbos_schema) {
    return absl::FailedPreconditionError(
        absl::StrCat("schema dbos is at version ", *state.dbos_version, ", this program knows ",
                     kDbosSchemaVersion, ": use a newer program, or allow a newer dbos schema"));
  }
  return absl::OkStatus();
}

absl::Status Record(LibpqSession& session, const Migration& migration) {
  const std::array<std::optional<std::string>, 3> values = {absl::StrCat(migration.version),
                                                            std::string(migration.name),
                                                            std::string(migration.checksum)};
  return session
      .Execute(
          "INSERT INTO holdfast.schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
          values)
      .status();
}

absl::Status ApplyOne(LibpqSession& session, const SchemaState& state, const Migration& migration) {
  if (!state.has_ledger) HF_RETURN_IF_ERROR(session.Execute(kCreateLedger).status());
  const bool is_there = migration.version == kDbosMigration && state.dbos_version.has_value();
  if (!is_there) HF_RETURN_IF_ERROR(session.Execute(std::string(migration.sql)).status());
  return Record(session, migration);
}

absl::Status Begin(LibpqSession& session, const MigrationOptions& options) {
  if (options.is_dry_run) return session.Execute("BEGIN READ ONLY").status();
  return session
      .Execute(absl::StrCat("BEGIN; SET LOCAL search_path = pg_catalog; ",
                            "SET LOCAL statement_timeout = 0; ",
                            "SET LOCAL lock_timeout = ", options.lock_timeout_ms, "; ",
                            "SELECT pg_advisory_xact_lock(", kMigrationLock, "), ",
                            "pg_advisory_xact_lock(", kDbosMigrationLock, ")"))
      .status();
}

// One transaction: looks, and applies the first migration that is missing. False: none was missing.
// A dry run takes everything that is missing at once.
absl::StatusOr<bool> ApplyNext(LibpqSession& session, const MigrationOptions& options,
                               MigrationReport& report) {
  HF_RETURN_IF_ERROR(WithContext(Begin(session, options), "waiting for the migration lock"));
  absl::StatusOr<SchemaState> state = ReadState(session);
  if (!state.ok()) return WithContext(state.status(), "reading the schema's version");
  HF_RETURN_IF_ERROR(CheckLedger(*state));
  HF_RETURN_IF_ERROR(CheckDbosSchema(*state, options));

  const std::span<const Migration> missing = Migrations().subspan(state->ledger.size());
  if (!state->dbos_version.has_value()) report.is_dbos_created = true;
  report.dbos_version = state->dbos_version.value_or(kDbosSchemaVersion);
  report.version = Migrations().back().version;
  if (missing.empty() || options.is_dry_run) {
    for (const Migration& migration : missing) report.applied.push_back(migration.version);
    HF_RETURN_IF_ERROR(session.Execute("ROLLBACK").status());
    return false;
  }
  HF_RETURN_IF_ERROR(WithContext(ApplyOne(session, *state, missing[0]), FileName(missing[0])));
  HF_RETURN_IF_ERROR(WithContext(session.Execute("COMMIT").status(), FileName(missing[0])));
  report.applied.push_back(missing[0].version);
  return missing.size() > 1;
}

}  // namespace

std::string ToString(const MigrationReport& report) {
  std::string text =
      absl::StrCat("schema is at version ", report.version, " (dbos ", report.dbos_version, ")");
  if (report.applied.empty()) return absl::StrCat(text, "; nothing to do");
  if (report.is_dry_run) {
    text = absl::StrCat("schema would be at version ", report.version, " (dbos ",
                        report.dbos_version, ")");
  }
  absl::StrAppend(&text, report.is_dry_run ? "; would apply " : "; applied ",
                  absl::StrJoin(report.applied, ", "));
  return text;
}

absl::StatusOr<MigrationReport> ApplyMigrations(const std::string& connection_uri,
                                                const MigrationOptions& options) {
  HF_ASSERT(options.lock_timeout_ms >= 0);
  HF_ASSIGN_OR_RETURN(LibpqSession session, LibpqSession::Connect(connection_uri));
  if (session.server_version() < kPostgresVersionMin) {
    return absl::FailedPreconditionError(
        absl::StrCat("PostgreSQL is too old: server_version_num=", session.server_version(),
                     " needed=", kPostgresVersionMin));
  }
  MigrationReport report;
  report.is_dry_run = options.is_dry_run;
  // Bounded by the number of migrations: each turn but the last applies one.
  for (size_t turn = 0; turn <= Migrations().size(); ++turn) {
    HF_ASSIGN_OR_RETURN(const bool has_more, ApplyNext(session, options, report));
    if (!has_more) return report;
  }
  return absl::InternalError("the migrations do not come to an end");
}

}  // namespace holdfast::workflows
