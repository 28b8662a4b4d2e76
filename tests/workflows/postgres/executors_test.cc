// Proves the rules of schema holdfast: a lease has one holder and ends by the database's clock, and
// a batch of journal writes opens only for the holder, in sequence, and with every fence held. Runs
// the SQL functions on a private PostgreSQL server, with a second session where two parties meet.
#include <poll.h>

#include <catch2/catch.hpp>
#include <future>
#include <string>

#include "engine/base/clock.h"
#include "tests/support/postgres_cluster.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::workflows {
namespace {

using Catch::Matchers::Contains;
using testing::PostgresCluster;

constexpr char kFirst[] = "'11111111-1111-1111-1111-111111111111'";
constexpr char kSecond[] = "'22222222-2222-2222-2222-222222222222'";

PostgresCluster& Cluster() {
  static PostgresCluster cluster({.is_durable = false, .settings = {}});
  return cluster;
}

// A database with leases, and sessions on it.
struct Database {
  Database() : uri(Cluster().CreateDatabase("executors")), session(Open()) {}

  LibpqSession Open() const {
    absl::StatusOr<LibpqSession> opened = LibpqSession::Connect(uri);
    INFO(opened.status());
    REQUIRE(opened.ok());
    return *std::move(opened);
  }
  std::string Ask(const std::string& sql) {
    const absl::StatusOr<std::optional<std::string>> value = session.QueryValue(sql);
    INFO(sql << ": " << value.status());
    REQUIRE(value.ok());
    return value->value_or("NULL");
  }
  absl::Status Try(const std::string& sql) { return session.Execute(sql).status(); }
  void Run(const std::string& sql) {
    const absl::Status status = Try(sql);
    INFO(sql << ": " << status);
    REQUIRE(status.ok());
  }
  // The SQLSTATE that refuses the statement, "" when it is not refused.
  std::string Refused(const std::string& sql) { return SqlStateOf(Try(sql)); }

  void Register(const std::string& incarnation, int64_t lease_ms = 600'000) {
    Run(RegisterSql(incarnation, lease_ms));
  }
  static std::string RegisterSql(const std::string& incarnation, int64_t lease_ms = 600'000) {
    return "SELECT holdfast.register_executor('one', " + incarnation + ", " +
           std::to_string(lease_ms) + ", 2, 'shop', 'v1', 'host', 42)";
  }
  static std::string Batch(const std::string& incarnation, int64_t sequence,
                           const std::string& fences = "'{}', '{}'", int shard = 0) {
    return "SELECT holdfast.begin_batch('one', " + incarnation + ", " + std::to_string(shard) +
           ", " + std::to_string(sequence) + ", " + fences + ")";
  }
  void EndLease() { Run("UPDATE holdfast.executors SET lease_expires_at = clock_timestamp()"); }
  std::string Sequence(int shard = 0) {
    return Ask("SELECT sequence FROM holdfast.journal_writers WHERE shard = " +
               std::to_string(shard));
  }
  void Workflow(const std::string& id, const std::string& owner, const std::string& status) {
    Run("INSERT INTO dbos.workflow_status (workflow_uuid, status, owner_xid) VALUES ('" + id +
        "', '" + status + "', '" + owner + "')");
  }

  std::string uri;
  LibpqSession session;
};

// Waits until a session other than `database`'s own is blocked on a lock.
void WaitUntilBlocked(Database& database) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + 20 * kNanosPerSecond;
  while (database.Ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                      "AND datname = current_database()") == "0") {
    REQUIRE(clock.MonotonicNs() < deadline_ns);
    poll(nullptr, 0, 5);
  }
}

}  // namespace

TEST_CASE("lease: the first registration opens the writers", "[pg]") {
  Database database;
  CHECK(database.Ask(Database::RegisterSql(kFirst)) == "1");
  CHECK(database.Ask("SELECT string_agg(shard || ':' || sequence, ' ' ORDER BY shard) "
                     "FROM holdfast.journal_writers") == "0:0 1:0");
  CHECK(database.Ask("SELECT concat_ws(' ', executor_id, epoch, application_name, "
                     "application_version, host, process_id) FROM holdfast.executors") ==
        "one 1 shop v1 host 42");
  // Asking again, as after a lost answer, is the same registration.
  database.Run(Database::Batch(kFirst, 1));
  CHECK(database.Ask(Database::RegisterSql(kFirst)) == "1");
  CHECK(database.Sequence() == "1");
}

TEST_CASE("lease: while it runs, no other incarnation gets it", "[pg]") {
  Database database;
  database.Register(kFirst);
  const absl::Status refused = database.Try(Database::RegisterSql(kSecond));
  CHECK(SqlStateOf(refused) == "HF004");
  CHECK_THAT(SqlDetailOf(refused), Contains("remaining_ms"));
  CHECK(database.Refused(Database::Batch(kFirst, 1)) == "");
}

TEST_CASE("lease: when it ended or was given back, the next incarnation takes over", "[pg]") {
  Database database;
  database.Register(kFirst);
  if (GENERATE(true, false)) {
    database.EndLease();
  } else {
    database.Run(std::string("SELECT holdfast.release_lease('one', ") + kFirst + ")");
  }
  // An ended lease is not revived, by whatever means.
  CHECK(database.Refused(std::string("SELECT holdfast.renew_lease('one', ") + kFirst +
                         ", 600000)") == "HF001");
  CHECK(database.Refused(Database::RegisterSql(kFirst)) == "HF001");
  CHECK(database.Refused(Database::Batch(kFirst, 1)) == "HF001");

  CHECK(database.Ask(Database::RegisterSql(kSecond)) == "2");
  CHECK(database.Refused(Database::Batch(kSecond, 1)) == "");
  CHECK(database.Refused(Database::Batch(kFirst, 1)) == "HF001");
  CHECK(database.Refused(Database::RegisterSql(kFirst)) == "HF004");
  // Giving back what it does not hold changes nothing.
  database.Run(std::string("SELECT holdfast.release_lease('one', ") + kFirst + ")");
  CHECK(database.Refused(Database::Batch(kSecond, 2)) == "");
}

TEST_CASE("lease: a heartbeat moves its end", "[pg]") {
  Database database;
  database.Register(kFirst, 60'000);
  CHECK(database.Ask(std::string("SELECT holdfast.renew_lease('one', ") + kFirst + ", 600000)") ==
        "1");
  CHECK(database.Ask("SELECT lease_expires_at > clock_timestamp() + interval '5 minutes' "
                     "FROM holdfast.executors") == "t");
  CHECK(database.Refused(std::string("SELECT holdfast.renew_lease('one', ") + kSecond +
                         ", 600000)") == "HF001");
  CHECK(database.Refused(std::string("SELECT holdfast.renew_lease('nobody', ") + kFirst +
                         ", 600000)") == "HF001");
}

TEST_CASE("lease: a running one cannot be fenced, an ended one loses its writers", "[pg]") {
  Database database;
  database.Register(kFirst);
  CHECK(database.Ask("SELECT holdfast.fence_executor('one')") == "f");
  CHECK(database.Ask("SELECT holdfast.fence_executor('nobody')") == "f");
  CHECK(database.Refused(Database::Batch(kFirst, 1)) == "");
  database.EndLease();
  CHECK(database.Ask("SELECT holdfast.fence_executor('one')") == "t");
  CHECK(database.Ask("SELECT count(*) FROM holdfast.journal_writers") == "0");
  CHECK(database.Refused(Database::Batch(kFirst, 2)) == "HF001");
}

TEST_CASE("batch: each is the next one of its writer", "[pg]") {
  Database database;
  database.Register(kFirst);
  CHECK(database.Refused(Database::Batch(kFirst, 1)) == "");
  CHECK(database.Refused(Database::Batch(kFirst, 2)) == "");
  for (const int64_t wrong : {0, 1, 2, 4}) {
    const absl::Status refused = database.Try(Database::Batch(kFirst, wrong));
    CHECK(SqlStateOf(refused) == "HF003");
    CHECK(SqlDetailOf(refused) == "{\"sequence\" : 2}");
  }
  // Shards count by themselves; a shard that was not registered has no writer.
  CHECK(database.Refused(Database::Batch(kFirst, 1, "'{}', '{}'", 1)) == "");
  CHECK(database.Refused(Database::Batch(kFirst, 1, "'{}', '{}'", 2)) == "HF001");
  CHECK(database.Sequence(0) == "2");
  CHECK(database.Sequence(1) == "1");
}

TEST_CASE("batch: one that is rolled back leaves its number free", "[pg]") {
  Database database;
  database.Register(kFirst);
  database.Run("BEGIN");
  database.Run(Database::Batch(kFirst, 1));
  database.Run("ROLLBACK");
  CHECK(database.Sequence() == "0");
  CHECK(database.Refused(Database::Batch(kFirst, 1)) == "");
}

TEST_CASE("batch: the end of the lease stops it by the database's clock", "[pg]") {
  Database database;
  database.Register(kFirst);
  database.Run(Database::Batch(kFirst, 1));
  database.EndLease();
  CHECK(database.Refused(Database::Batch(kFirst, 2)) == "HF001");
  CHECK(database.Sequence() == "1");
}

TEST_CASE("batch: every fence must be held, and the lost ones are named", "[pg]") {
  Database database;
  database.Register(kFirst);
  database.Workflow("w1", "t1", "PENDING");
  database.Workflow("w2", "t2", "PENDING");
  database.Workflow("canceled", "t3", "CANCELLED");
  database.Workflow("quoted \"id\"", "t4", "PENDING");
  CHECK(database.Refused(Database::Batch(kFirst, 1, "'{w2,w1}', '{t2,t1}'")) == "");
  // More than one write for one workflow in one batch is usual.
  CHECK(database.Refused(Database::Batch(kFirst, 2, "'{w1,w2,w1}', '{t1,t2,t1}'")) == "");
  CHECK(database.Refused(Database::Batch(kFirst, 3, "ARRAY['quoted \"id\"'], ARRAY['t4']")) == "");

  const absl::Status lost = database.Try(
      Database::Batch(kFirst, 4, "'{w1,w2,canceled,gone,w1}', '{t1,old,t3,t5,older}'"));
  CHECK(SqlStateOf(lost) == "HF002");
  CHECK(SqlDetailOf(lost) ==
        "[{\"workflow_id\" : \"w2\", \"owner_token\" : \"old\"}, "
        "{\"workflow_id\" : \"canceled\", \"owner_token\" : \"t3\"}, "
        "{\"workflow_id\" : \"gone\", \"owner_token\" : \"t5\"}, "
        "{\"workflow_id\" : \"w1\", \"owner_token\" : \"older\"}]");
  CHECK(database.Sequence() == "3");
  CHECK(database.Refused(Database::Batch(kFirst, 4, "'{w1}', '{t1}'")) == "");
  // A workflow without an owner is nobody's, and a missing token fits nothing.
  database.Run("UPDATE dbos.workflow_status SET owner_xid = NULL WHERE workflow_uuid = 'w1'");
  CHECK(database.Refused(Database::Batch(kFirst, 5, "'{w1}', '{NULL}'")) == "HF002");
  CHECK(database.Refused(Database::Batch(kFirst, 5, "'{w1,w2}', '{t1}'")) == "HF002");
}

TEST_CASE("batch: a cancel that came first wins, whoever waited for whom", "[pg]") {
  Database database;
  database.Register(kFirst);
  database.Workflow("w1", "t1", "PENDING");
  LibpqSession canceler = database.Open();
  REQUIRE(canceler.Execute("BEGIN; UPDATE dbos.workflow_status SET status = 'CANCELLED'").ok());
  LibpqSession writer = database.Open();
  std::future<absl::Status> batch = std::async(std::launch::async, [&] {
    return writer.Execute(Database::Batch(kFirst, 1, "'{w1}', '{t1}'")).status();
  });
  WaitUntilBlocked(database);
  REQUIRE(canceler.Execute("COMMIT").ok());
  CHECK(SqlStateOf(batch.get()) == "HF002");
}

TEST_CASE("batch: a cancel waits for the batch that came first", "[pg]") {
  Database database;
  database.Register(kFirst);
  database.Workflow("w1", "t1", "PENDING");
  LibpqSession writer = database.Open();
  REQUIRE(writer.Execute("BEGIN").ok());
  REQUIRE(writer.Execute(Database::Batch(kFirst, 1, "'{w1}', '{t1}'")).ok());
  CHECK(database.Refused("SET lock_timeout = 10; UPDATE dbos.workflow_status SET status = "
                         "'CANCELLED'") == "55P03");
  REQUIRE(writer.Execute("COMMIT").ok());
  CHECK(database.Refused("UPDATE dbos.workflow_status SET status = 'CANCELLED'") == "");
}

TEST_CASE("batch: a take-over waits for the one at work, and stops the next", "[pg]") {
  Database database;
  database.Register(kFirst);
  LibpqSession writer = database.Open();
  REQUIRE(writer.Execute("BEGIN").ok());
  REQUIRE(writer.Execute(Database::Batch(kFirst, 1)).ok());
  REQUIRE(writer
              .Execute("INSERT INTO dbos.workflow_status (workflow_uuid, status) "
                       "VALUES ('late', 'PENDING')")
              .ok());
  database.EndLease();
  const bool is_fence = GENERATE(true, false);
  LibpqSession successor = database.Open();
  std::future<absl::Status> take_over = std::async(std::launch::async, [&] {
    return successor
        .Execute(is_fence ? "SELECT holdfast.fence_executor('one')"
                          : Database::RegisterSql(kSecond))
        .status();
  });
  WaitUntilBlocked(database);
  REQUIRE(writer.Execute("COMMIT").ok());
  CHECK(take_over.get().ok());
  // What the old holder committed is visible to whoever took over, and it commits no more.
  CHECK(database.Ask("SELECT count(*) FROM dbos.workflow_status") == "1");
  CHECK(SqlStateOf(writer.Execute(Database::Batch(kFirst, 2)).status()) == "HF001");
}

TEST_CASE("batch: two that touch the same workflows in opposite order do not deadlock", "[pg]") {
  Database database;
  database.Register(kFirst);
  for (int i = 0; i < 20; ++i) database.Workflow("w" + std::to_string(i), "t", "PENDING");
  const auto fences = [](const std::string& direction) {
    return "(SELECT array_agg('w' || i ORDER BY i " + direction +
           ") FROM generate_series(0, 19) AS i), "
           "(SELECT array_agg('t'::text) FROM generate_series(0, 19))";
  };
  constexpr int kRounds = 50;
  const auto write = [&](int shard, const std::string& direction) {
    LibpqSession writer = database.Open();
    for (int round = 1; round <= kRounds; ++round) {
      const absl::Status status =
          writer.Execute(Database::Batch(kFirst, round, fences(direction), shard)).status();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  };
  std::future<absl::Status> down = std::async(std::launch::async, [&] { return write(1, "DESC"); });
  CHECK(write(0, "ASC").ok());
  CHECK(down.get().ok());
}

// The planner sees a small table, or one in which nothing was PENDING, and would keep a plan that
// reads all of it for as long as the session lives.
TEST_CASE("batch: fences are found by key, whatever the statistics say", "[pg]") {
  Database database;
  database.Register(kFirst);
  database.Workflow("w1", "t1", "PENDING");
  database.Run("ANALYZE dbos.workflow_status");
  database.Run("SELECT pg_stat_reset()");
  for (int sequence = 1; sequence <= 10; ++sequence) {
    database.Run(Database::Batch(kFirst, sequence, "'{w1}', '{t1}'"));
  }
  database.Run("SELECT pg_stat_force_next_flush()");
  CHECK(database.Ask("SELECT seq_scan FROM pg_stat_user_tables WHERE schemaname = 'dbos' "
                     "AND relname = 'workflow_status'") == "0");
  CHECK(database.Ask("SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE schemaname = 'dbos' "
                     "AND relname = 'workflow_status' "
                     "AND indexrelname <> 'workflow_status_pkey'") == "0");
}

}  // namespace holdfast::workflows
