// Proves that the journal's writes happen exactly once whatever becomes of its connections: a proxy
// cuts them at every byte of a batch's answer, the server is restarted without a shutdown, refuses
// connections, turns read-only, or forgets acknowledged batches. A real server and real sockets.
#include "tests/support/tcp_proxy.h"
#include "tests/workflows/postgres/journal_harness.h"

namespace holdfast::workflows {
namespace {

using testing::PostgresCluster;
using testing::TcpProxy;

PostgresCluster& Cluster() {
  static PostgresCluster cluster({.is_durable = false, .settings = {}});
  return cluster;
}

// The same database through a proxy.
std::string Through(const TcpProxy& proxy, const JournalDatabase& database) {
  std::string uri = database.uri();
  const std::string port = ":" + std::to_string(Cluster().port()) + "/";
  uri.replace(uri.find(port), port.size(), ":" + std::to_string(proxy.port()) + "/");
  return uri;
}

}  // namespace

TEST_CASE("journal: a batch whose answer is cut at any byte is written once", "[pg][fault]") {
  JournalDatabase database(Cluster());
  TcpProxy proxy(Cluster().port());
  JournalProcess process(database, "one", [&](PostgresJournalOptions& options) {
    options.database_url = Through(proxy, database);
    options.transaction_thread_count = 0;
  });
  process.Register();
  int64_t written = 0;
  for (uint64_t byte_count = 0;; ++byte_count) {
    const std::string id = "cut-" + std::to_string(byte_count);
    const Fence fence = process.StartOwned(id);
    proxy.CutAfter(TcpProxy::Direction::kToClient, byte_count);
    const uint64_t cuts = proxy.cut_count();
    WorkflowCommit commit = FinishOf(fence, id);
    commit.effects.push_back(
        {.step = StepOf(1, "null"),
         .action = StreamEffect{.key = "out", .value = "1", .serialization = "portable_json"}});
    const auto result = process.Commit(std::move(commit));
    INFO("cut after " << byte_count << ": " << result.status());
    REQUIRE(result.ok());
    REQUIRE(result->is_durable);
    REQUIRE(result->effects.size() == 1);
    REQUIRE(result->effects[0].outcome == EffectOutcome::kApplied);
    ++written;
    const bool was_cut = proxy.cut_count() > cuts;
    proxy.CancelCut();
    if (!was_cut) break;
  }
  CHECK(written > 100);  // the answer is longer than that
  // Some cuts hit another connection, or come behind the answer's last byte.
  CHECK(process.journal().stats().retry_count > written / 2);
  CHECK(database.Ask("SELECT count(*) FROM notes") == std::to_string(written));
  CHECK(database.Ask("SELECT count(DISTINCT note) FROM notes") == std::to_string(written));
  CHECK(database.Ask("SELECT count(*) FROM dbos.streams WHERE \"offset\" = 0") ==
        std::to_string(written));
  CHECK(database.Ask("SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'") ==
        std::to_string(written));
}

TEST_CASE("journal: a start that is cut at any byte on its way is created once", "[pg][fault]") {
  JournalDatabase database(Cluster());
  TcpProxy proxy(Cluster().port());
  const bool is_client = GENERATE(false, true);
  JournalProcess process(database, "one", [&](PostgresJournalOptions& options) {
    options.database_url = Through(proxy, database);
    options.transaction_thread_count = 0;
  });
  if (!is_client) process.Register();
  int64_t written = 0;
  for (const auto direction : {TcpProxy::Direction::kToServer, TcpProxy::Direction::kToClient}) {
    for (uint64_t byte_count = 0;; byte_count += 13) {
      const std::string id = "start-" + std::to_string(written);
      StartRequest request = StartOf(id);
      request.workflow.queue_name = "orders";
      request.application_rows.push_back({.sink = "notes", .json = "{\"note\":\"" + id + "\"}"});
      proxy.CutAfter(direction, byte_count);
      const uint64_t cuts = proxy.cut_count();
      const auto result = process.Start(std::move(request));
      INFO("cut after " << byte_count << ": " << result.status());
      REQUIRE(result.ok());
      REQUIRE(result->outcome == StartOutcome::kCreated);
      ++written;
      const bool was_cut = proxy.cut_count() > cuts;
      proxy.CancelCut();
      if (!was_cut) break;
    }
  }
  CHECK(written > 20);
  CHECK(database.Ask("SELECT count(*) FROM notes") == std::to_string(written));
  CHECK(database.Ask("SELECT count(*) FROM dbos.workflow_status") == std::to_string(written));
}

TEST_CASE("journal: claims whose answer is cut are neither lost nor doubled", "[pg][fault]") {
  JournalDatabase database(Cluster());
  TcpProxy proxy(Cluster().port());
  JournalProcess process(database, "one", [&](PostgresJournalOptions& options) {
    options.database_url = Through(proxy, database);
    options.transaction_thread_count = 0;
  });
  process.Register();
  for (uint64_t byte_count = 0; byte_count < 1'500; byte_count += 97) {
    const std::string id = "queued-" + std::to_string(byte_count);
    process.Enqueue(id, "orders");
    proxy.CutAfter(TcpProxy::Direction::kToClient, byte_count);
    QueueConfig queue;
    queue.name = "orders";
    const auto claim = process.Claim(queue);
    proxy.CancelCut();
    INFO("cut after " << byte_count << ": " << claim.status());
    REQUIRE(claim.ok());
    REQUIRE(claim->workflows.size() == 1);
    CHECK(claim->workflows[0].workflow.id == id);
    CHECK(claim->workflows[0].workflow.inputs == R"({"positionalArgs":[1],"namedArgs":{}})");
    const auto result = process.Commit(
        FinishOf({.workflow_id = id, .owner_token = claim->workflows[0].owner_token}, id));
    REQUIRE(result.ok());
    CHECK(result->is_durable);
  }
}

TEST_CASE("journal: a server restarted without a shutdown loses and doubles nothing",
          "[pg][fault]") {
  PostgresCluster cluster;  // durable
  JournalDatabase database(cluster);
  JournalProcess process(database, "one");
  process.Register();
  constexpr int kCount = 300;
  int finished = 0;
  int started = 0;
  std::function<void()> next = [&] {
    if (started == kCount) return;
    const std::string id = "workflow-" + std::to_string(started++);
    StartRequest request = StartOf(id);
    request.workflow.owner_token = process.Token();
    const Fence fence = {.workflow_id = id, .owner_token = *request.workflow.owner_token};
    process.journal().Start(std::move(request), [&, fence](absl::StatusOr<StartResult> result) {
      REQUIRE(result.ok());
      REQUIRE(result->outcome == StartOutcome::kCreated);
      process.journal().Commit(FinishOf(fence, fence.workflow_id),
                               [&](absl::StatusOr<CommitResult> commit) {
                                 REQUIRE(commit.ok());
                                 REQUIRE(commit->is_durable);
                                 ++finished;
                                 next();
                               });
    });
  };
  for (int i = 0; i < 10; ++i) next();
  for (const int mark : {50, 120, 200}) {
    REQUIRE(process.TurnUntil([&] { return finished >= mark; }));
    cluster.RestartImmediate();
  }
  REQUIRE(process.TurnUntil([&] { return finished == kCount; }));
  CHECK(database.Ask("SELECT count(*) FROM notes") == std::to_string(kCount));
  CHECK(database.Ask("SELECT count(DISTINCT note) FROM notes") == std::to_string(kCount));
  CHECK(database.Ask("SELECT count(*) FROM dbos.operation_outputs") == std::to_string(kCount));
  CHECK(process.news.HasHeard("lost"));
}

TEST_CASE("journal: writes wait while the server takes no connections", "[pg][fault]") {
  JournalDatabase database(Cluster());
  database.Run("DROP ROLE IF EXISTS guest");
  database.Run("CREATE ROLE guest LOGIN IN ROLE pg_read_all_data, pg_write_all_data");
  database.Run("ALTER DATABASE " + database.name() + " CONNECTION LIMIT 0");
  JournalProcess process(database, "one", [&](PostgresJournalOptions& options) {
    options.database_url = Cluster().Uri(database.name(), "guest");
    options.away_after_ms = 50;
    options.read_timeout_ms = 100;
  });
  bool is_started = false;
  process.journal().Start(StartOf("patient"), [&](absl::StatusOr<StartResult> result) {
    REQUIRE(result.ok());
    is_started = true;
  });
  const auto now = process.Await<int64_t>(
      [&](Reply<int64_t> reply) { process.journal().Now(std::move(reply)); });
  CHECK(absl::IsUnavailable(now.status()));  // reads answer within their time
  REQUIRE(process.TurnUntil([&] { return process.news.HasHeard("away"); }));
  CHECK_FALSE(is_started);
  database.Run("ALTER DATABASE " + database.name() + " CONNECTION LIMIT -1");
  REQUIRE(process.TurnUntil([&] { return is_started; }));
  REQUIRE(process.TurnUntil([&] { return process.news.HasHeard("available"); }));
}

TEST_CASE("journal: writes wait while the server is read-only", "[pg][fault]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  const Fence fence = process.StartOwned("patient");
  const std::string alter = "ALTER DATABASE " + database.name();
  database.Run(alter + " SET default_transaction_read_only = on");
  database.Run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  bool is_done = false;
  process.journal().Commit(FinishOf(fence, "late"), [&](absl::StatusOr<CommitResult> result) {
    REQUIRE(result.ok());
    CHECK(result->is_durable);
    is_done = true;
  });
  const int64_t end_ns = database.clock.MonotonicNs() + 200 * kNanosPerMilli;
  process.TurnUntil([&] { return database.clock.MonotonicNs() > end_ns; });
  CHECK_FALSE(is_done);
  // From another database: in this one even that would be a write.
  absl::StatusOr<LibpqSession> outside = LibpqSession::Connect(Cluster().Uri("postgres"));
  REQUIRE(outside.ok());
  REQUIRE(outside->Execute(alter + " SET default_transaction_read_only = off").ok());
  REQUIRE(process.TurnUntil([&] { return is_done; }));
  CHECK(database.Ask("SELECT count(*) FROM notes") == "1");
}

TEST_CASE("journal: a database that forgot acknowledged batches is noticed", "[pg][fault]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  const Fence fence = process.StartOwned("first");
  // As a standby that was behind when it was promoted.
  database.Run("UPDATE holdfast.journal_writers SET sequence = sequence - 1 WHERE sequence > 0");
  const auto result = process.Commit(FinishOf(fence, "never"));
  CHECK(absl::IsDataLoss(result.status()));
  CHECK(process.news.HasHeard("data loss"));
  CHECK(absl::IsPermissionDenied(process.Commit(FinishOf(fence, "never")).status()));
  CHECK(database.Ask("SELECT count(*) FROM notes") == "0");
}

TEST_CASE("journal: past the end of the lease nothing lands", "[pg][fault]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register(/*ttl_ms=*/300);
  const Fence fence = process.StartOwned("frozen");
  REQUIRE(process.TurnUntil([&] {
    return database.Ask("SELECT lease_expires_at < clock_timestamp() FROM holdfast.executors") ==
           "t";
  }));
  CHECK(absl::IsPermissionDenied(process.Commit(FinishOf(fence, "never")).status()));
  CHECK(database.Ask("SELECT count(*) FROM notes") == "0");
  const auto renewed = process.Await<LeaseGrant>(
      [&](Reply<LeaseGrant> reply) { process.journal().RenewLease(std::move(reply)); });
  CHECK(absl::IsPermissionDenied(renewed.status()));
  process.Register();  // and it goes on
  process.StartOwned("again");
}

}  // namespace holdfast::workflows
