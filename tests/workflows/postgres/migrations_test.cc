// Proves that the migrations bring any database to one and the same schema, once, and refuse what
// they do not understand. Each case runs on databases of a private PostgreSQL server; the catalog
// is compared with a committed listing.
#include "workflows/postgres/migrations.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/postgres_cluster.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::workflows {
namespace {

using testing::PostgresCluster;

// One server for the whole program; what must be fresh is a database.
PostgresCluster& Cluster() {
  static PostgresCluster cluster({.is_durable = false, .settings = {}});
  return cluster;
}

LibpqSession Open(const std::string& uri) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri);
  INFO(session.status());
  REQUIRE(session.ok());
  return *std::move(session);
}

void Run(LibpqSession& session, const std::string& sql) {
  const absl::StatusOr<SessionResult> result = session.Execute(sql);
  INFO(sql << ": " << result.status());
  REQUIRE(result.ok());
}

std::string Ask(LibpqSession& session, const std::string& sql) {
  const absl::StatusOr<std::optional<std::string>> value = session.QueryValue(sql);
  INFO(sql << ": " << value.status());
  REQUIRE(value.ok());
  return value->value_or("NULL");
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::filesystem::path kSource = HOLDFAST_SOURCE_FOLDER;

// Tables, columns, defaults, indexes, constraints, triggers and function signatures of a schema,
// one a line. The same query as tests/interop/dbos runs.
std::string Catalog(LibpqSession& session, const std::string& schema) {
  Run(session, "SELECT set_config('holdfast.schema', '" + schema + "', false)");
  const absl::StatusOr<SessionResult> lines =
      session.Execute(ReadFile(kSource / "tests/workflows/postgres/catalog.sql"));
  INFO(lines.status());
  REQUIRE(lines.ok());
  std::string text;
  for (const auto& row : lines->rows) text += row.at(0).value() + "\n";
  return text;
}

MigrationReport Apply(const std::string& uri, const MigrationOptions& options = {}) {
  const absl::StatusOr<MigrationReport> report = ApplyMigrations(uri, options);
  INFO(report.status());
  REQUIRE(report.ok());
  return *report;
}

// The message of a refusal: one line.
std::string Refusal(const std::string& uri, absl::StatusCode code,
                    const MigrationOptions& options = {}) {
  const absl::StatusOr<MigrationReport> report = ApplyMigrations(uri, options);
  INFO(report.status());
  REQUIRE_FALSE(report.ok());
  CHECK(report.status().code() == code);
  const std::string message(report.status().message());
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

using Catch::Matchers::Contains;

// Schema dbos as another party left it: ours without our own schema.
std::string ForeignDatabase(int64_t version) {
  const std::string uri = Cluster().CreateDatabase("foreign");
  LibpqSession session = Open(uri);
  Run(session, "DROP SCHEMA holdfast CASCADE");
  Run(session, "UPDATE dbos.dbos_migrations SET version = " + std::to_string(version));
  return uri;
}

}  // namespace

TEST_CASE("migrations: an empty database gets every one of them, in order", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("empty");
  const MigrationReport report = Apply(uri);
  CHECK(report.applied == std::vector<int32_t>{1, 2});
  CHECK(report.version == 2);
  CHECK(report.dbos_version == kDbosSchemaVersion);
  CHECK(report.is_dbos_created);
  CHECK(ToString(report) == "schema is at version 2 (dbos 123); applied 1, 2");

  LibpqSession session = Open(uri);
  CHECK(Ask(session,
            "SELECT string_agg(version || ' ' || name, ', ' ORDER BY version) "
            "FROM holdfast.schema_migrations") == "1 dbos_schema_123, 2 holdfast_executors");
  CHECK(Ask(session, "SELECT array_agg(version) FROM dbos.dbos_migrations") == "{123}");
}

TEST_CASE("migrations: the catalog of schema dbos is that of version 123", "[pg]") {
  LibpqSession session = Open(Cluster().CreateDatabase("catalog"));
  CHECK(Catalog(session, "dbos") ==
        ReadFile(kSource / "tests/workflows/postgres/catalog_dbos_123.txt"));
}

TEST_CASE("migrations: the files of the folder are the embedded ones", "[pg]") {
  size_t file_count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "migrations")) {
    file_count += entry.path().extension() == ".sql" ? 1 : 0;
  }
  CHECK(file_count == Migrations().size());
  int32_t version = 0;
  for (const Migration& migration : Migrations()) {
    CHECK(migration.version == ++version);
    CHECK(migration.checksum.size() == 64);
    std::string number = std::to_string(10'000 + version).substr(1);
    const auto path =
        kSource / "migrations" / (number + "_" + std::string(migration.name) + ".sql");
    CHECK(ReadFile(path) == migration.sql);
    // What, why and lock impact open each file.
    for (const char* heading : {"-- What: ", "-- Why: ", "-- Lock impact: "}) {
      CHECK_THAT(std::string(migration.sql.substr(0, 2'000)), Contains(heading));
    }
  }
}

TEST_CASE("migrations: a second time changes nothing", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("twice");
  Apply(uri);
  LibpqSession session = Open(uri);
  const std::string ledger = "SELECT string_agg(m::text, ',') FROM holdfast.schema_migrations m";
  const std::string before = Ask(session, ledger);
  const MigrationReport report = Apply(uri);
  CHECK(report.applied.empty());
  CHECK_FALSE(report.is_dbos_created);
  CHECK(ToString(report) == "schema is at version 2 (dbos 123); nothing to do");
  CHECK(Ask(session, ledger) == before);
}

TEST_CASE("migrations: several at once apply each exactly once", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("race");
  constexpr size_t kCount = 4;
  std::vector<absl::StatusOr<MigrationReport>> reports(kCount, absl::UnknownError("not run"));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kCount; ++i) {
    threads.emplace_back([&, i] { reports[i] = ApplyMigrations(uri); });
  }
  for (std::thread& thread : threads) thread.join();
  size_t applied_count = 0;
  for (const auto& report : reports) {
    INFO(report.status());
    REQUIRE(report.ok());
    CHECK(report->version == 2);
    applied_count += report->applied.size();
  }
  CHECK(applied_count == Migrations().size());
}

TEST_CASE("migrations: a dry run says what would be done and does nothing", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("dry");
  const MigrationReport report = Apply(uri, {.is_dry_run = true});
  CHECK(report.applied == std::vector<int32_t>{1, 2});
  CHECK(ToString(report) == "schema would be at version 2 (dbos 123); would apply 1, 2");
  LibpqSession session = Open(uri);
  CHECK(Ask(session, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('dbos', 'holdfast')") ==
        "0");
}

TEST_CASE("migrations: a waiting one gives up after its time", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("busy");
  LibpqSession other = Open(uri);
  Run(other, "SELECT pg_advisory_lock(1234567890)");  // as DBOS's own migration holds it
  CHECK_THAT(Refusal(uri, absl::StatusCode::kDeadlineExceeded, {.lock_timeout_ms = 20}),
             Contains("waiting for the migration lock"));
}

TEST_CASE("migrations: one that fails leaves nothing of itself and is applied later", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("half");
  LibpqSession session = Open(uri);
  // Something of another party stands where migration 2 creates a table.
  Run(session, "CREATE SCHEMA holdfast; CREATE TABLE holdfast.journal_writers (x int)");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kInternal),
             Contains("0002_holdfast_executors.sql") && Contains("already exists"));
  CHECK(Ask(session, "SELECT max(version) FROM holdfast.schema_migrations") == "1");
  CHECK(Ask(session, "SELECT to_regclass('holdfast.executors')") == "NULL");
  Run(session, "DROP TABLE holdfast.journal_writers");
  CHECK(Apply(uri).applied == std::vector<int32_t>{2});
}

TEST_CASE("migrations: a database of a newer program is refused", "[pg]") {
  const std::string uri = Cluster().CreateDatabase("newer");
  LibpqSession session = Open(uri);
  Run(session, "INSERT INTO holdfast.schema_migrations VALUES (3, 'later', 'x')");
  for (const bool is_dry_run : {true, false}) {
    CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition, {.is_dry_run = is_dry_run}),
               Contains("newer program") && Contains("version 3"));
  }
}

TEST_CASE("migrations: a changed checksum is refused", "[pg]") {
  const std::string uri = Cluster().CreateDatabase("checksum");
  LibpqSession session = Open(uri);
  Run(session, "UPDATE holdfast.schema_migrations SET checksum = 'abc' WHERE version = 2");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition),
             Contains("0002_holdfast_executors.sql") && Contains("another content"));
}

TEST_CASE("migrations: a ledger with a gap is refused", "[pg]") {
  const std::string uri = Cluster().CreateDatabase("gap");
  LibpqSession session = Open(uri);
  Run(session, "DELETE FROM holdfast.schema_migrations WHERE version = 1");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition), Contains("gap"));
}

TEST_CASE("migrations: a dbos schema of another party at our version is left alone", "[pg]") {
  const std::string uri = ForeignDatabase(kDbosSchemaVersion);
  LibpqSession session = Open(uri);
  // What others add does not disturb.
  Run(session, "ALTER TABLE dbos.workflow_status ADD COLUMN theirs text");
  const std::string before = Catalog(session, "dbos");
  const std::string object_ids =
      "SELECT string_agg(c.oid || ' ' || c.xmin, ',' ORDER BY c.oid) FROM pg_class c "
      "WHERE relnamespace = 'dbos'::regnamespace";
  const std::string oids_before = Ask(session, object_ids);

  const MigrationReport report = Apply(uri);
  CHECK(report.applied == std::vector<int32_t>{1, 2});
  CHECK_FALSE(report.is_dbos_created);
  CHECK(Catalog(session, "dbos") == before);
  CHECK(Ask(session, object_ids) == oids_before);
}

TEST_CASE("migrations: another version of the dbos schema is refused, with what to do", "[pg]") {
  CHECK_THAT(Refusal(ForeignDatabase(108), absl::StatusCode::kFailedPrecondition),
             Contains("version 108") && Contains("npx dbos schema"));
  const std::string newer = ForeignDatabase(124);
  CHECK_THAT(Refusal(newer, absl::StatusCode::kFailedPrecondition), Contains("version 124"));
  const MigrationReport report = Apply(newer, {.allow_newer_dbos_schema = true});
  CHECK(report.dbos_version == 124);
  LibpqSession session = Open(newer);
  CHECK(Ask(session, "SELECT max(version) FROM dbos.dbos_migrations") == "124");
}

TEST_CASE("migrations: a dbos schema without a version is not touched", "[pg]") {
  const std::string uri = ForeignDatabase(kDbosSchemaVersion);
  LibpqSession session = Open(uri);
  Run(session, "DELETE FROM dbos.dbos_migrations");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition), Contains("no version"));
  Run(session, "DROP TABLE dbos.dbos_migrations");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition), Contains("no version"));
}

TEST_CASE("migrations: a dbos schema that vanished is an error, an empty one is filled", "[pg]") {
  const std::string uri = Cluster().CreateDatabase("vanished");
  LibpqSession session = Open(uri);
  Run(session, "DROP SCHEMA dbos CASCADE");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition), Contains("dbos is gone"));
  Run(session, "DROP SCHEMA holdfast CASCADE; CREATE SCHEMA dbos");
  CHECK(Apply(uri).is_dbos_created);
}

TEST_CASE("migrations: a role that may only read and write finds a current schema current",
          "[pg]") {
  const std::string uri = Cluster().CreateDatabase("rights");
  LibpqSession session = Open(uri);
  Run(session, "CREATE ROLE plain LOGIN");
  std::string plain_uri = uri;
  plain_uri.replace(plain_uri.find("holdfast@"), 8, "plain");
  CHECK_THAT(Refusal(plain_uri, absl::StatusCode::kPermissionDenied),
             Contains("permission denied for schema"));
  Run(session,
      "GRANT USAGE ON SCHEMA dbos, holdfast TO plain;"
      "GRANT SELECT ON ALL TABLES IN SCHEMA dbos, holdfast TO plain");
  CHECK(Apply(plain_uri).applied.empty());
  // On an empty database it may not create a schema.
  std::string empty_uri = Cluster().CreateEmptyDatabase("rights");
  empty_uri.replace(empty_uri.find("holdfast@"), 8, "plain");
  CHECK_THAT(Refusal(empty_uri, absl::StatusCode::kPermissionDenied),
             Contains("permission denied for database"));
}

TEST_CASE("migrations: what cannot be reached is named in one line, without the password", "[pg]") {
  const std::string port = std::to_string(Cluster().port());
  CHECK_THAT(Refusal("postgresql://holdfast:hush@127.0.0.1:" + port + "/nowhere",
                     absl::StatusCode::kNotFound),
             Contains("nowhere") && !Contains("hush"));
  CHECK_THAT(Refusal("postgresql://nobody:hush@127.0.0.1:" + port + "/postgres",
                     absl::StatusCode::kUnauthenticated),
             Contains("nobody") && !Contains("hush"));
  CHECK_THAT(
      Refusal("postgresql://holdfast:hush@127.0.0.1:1/postgres", absl::StatusCode::kUnavailable),
      Contains("127.0.0.1") && !Contains("hush"));
  CHECK_THAT(Refusal("postgresql//holdfast:hush@127.0.0.1", absl::StatusCode::kInvalidArgument),
             !Contains("hush"));
}

TEST_CASE("migrations: a server that is only read is refused", "[pg]") {
  const std::string uri = Cluster().CreateEmptyDatabase("standby");
  LibpqSession session = Open(uri);
  Run(session,
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only "
      "= on', current_database()); END $$");
  CHECK_THAT(Refusal(uri, absl::StatusCode::kFailedPrecondition), Contains("read-only"));
}

}  // namespace holdfast::workflows
