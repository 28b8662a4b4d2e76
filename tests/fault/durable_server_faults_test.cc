// Proves that the runtime outlives what can become of a PostgreSQL server: away for longer than the
// lease, replaced by its standby, out of connections, read-only, full, locked by others, or of
// another opinion about the time. Nothing is lost, nothing doubled, it recovers by itself, and its
// health says what is the matter. How: a runtime in this process on a server of the test's own,
// callers that go on asking, and the same comparison at the end as in the crash test.
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <pqxx/pqxx>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/fault/durable_checks.h"
#include "tests/fault/durable_workload.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/tcp_proxy.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/postgres_host.h"
#include "workflows/postgres/transaction.h"
#include "workflows/runtime/epoll_reactor.h"

namespace holdfast::testing {
namespace {

using workflows::LibpqSession;
using workflows::PostgresHostOptions;
using workflows::RuntimeHost;
using workflows::RuntimeStats;

constexpr int64_t kDeadlineMs = 60'000;
constexpr int kPollMs = 10;

bool WaitFor(const std::function<bool()>& condition) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + kDeadlineMs * kNanosPerMilli;
  while (!condition()) {
    if (clock.MonotonicNs() > deadline_ns) return false;
    poll(nullptr, 0, kPollMs);
  }
  return true;
}

class LocalOutside final : public Outside {
 public:
  absl::Status Append(const OutsideEffect& effect) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    arrivals_.push_back({.effect = effect, .arrived_ns = SystemClock().WallNs()});
    return absl::OkStatus();
  }
  std::vector<LedgerServer::Arrival> arrivals() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return arrivals_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<LedgerServer::Arrival> arrivals_;
};

// A session that must work.
class Sql {
 public:
  explicit Sql(const std::string& uri) : session_(Open(uri)) {}
  void Run(const std::string& sql) {
    const absl::Status status = session_.Execute(sql).status();
    INFO(sql << ": " << status);
    REQUIRE(status.ok());
  }
  absl::Status Try(const std::string& sql) { return session_.Execute(sql).status(); }
  std::string Ask(const std::string& sql) {
    const auto value = session_.QueryValue(sql);
    INFO(sql << ": " << value.status());
    REQUIRE(value.ok());
    return value->value_or("NULL");
  }

 private:
  static LibpqSession Open(const std::string& uri) {
    absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri);
    INFO(session.status());
    REQUIRE(session.ok());
    return *std::move(session);
  }
  LibpqSession session_;
};

// A runtime, its callers, and what they asked for.
class Service {
 public:
  // `tables_url`: where the tables are made; `database_url`: where the runtime goes, if elsewhere.
  explicit Service(const std::string& tables_url, const std::string& database_url = "",
                   double lease_s = 30) {
    const absl::Status made = CreateWorkloadTables(tables_url);
    INFO(made);
    REQUIRE(made.ok());
    PostgresHostOptions options;
    options.journal.database_url = database_url.empty() ? tables_url : database_url;
    options.journal.sinks = WorkloadSinks();
    options.journal.connect_timeout_ms = 1'000;
    options.journal.statement_timeout_ms = 1'000;
    options.journal.read_timeout_ms = 2'000;
    options.journal.reconnect_ms_max = 200;
    options.journal.away_after_ms = 300;
    options.host.runtime.application_name = "crash";
    options.host.runtime.lease_ttl_s = lease_s;
    options.host.runtime.sweep_interval_s = 1;
    options.host.runtime.message_poll_interval_s = 1;
    auto host = workflows::MakePostgresHost(options);
    INFO(host.status());
    REQUIRE(host.ok());
    host_ = *std::move(host);
    RegisterWorkload(*host_, outside_);
    REQUIRE(host_->Launch(60).ok());
  }
  ~Service() {
    is_stopping_ = true;
    for (std::thread& caller : callers_) caller.join();
  }

  RuntimeHost& host() { return *host_; }
  LocalOutside& outside() { return outside_; }
  RuntimeStats Stats() {
    absl::StatusOr<RuntimeStats> stats = host_->Stats();
    REQUIRE(stats.ok());
    return *stats;
  }
  bool WaitForAvailability(bool is_available) {
    return WaitFor([&] { return Stats().is_available == is_available; });
  }

  // Callers that ask, under the same id, until each workflow is accepted.
  void Ask(int count) {
    std::vector<PlannedWorkflow> wanted;
    for (int i = 0; i < count; ++i) {
      wanted.push_back(PlanWorkflow(kSeed, static_cast<int>(planned_.size())));
      planned_.push_back(wanted.back());
    }
    callers_.emplace_back([this, wanted = std::move(wanted)] {
      for (const PlannedWorkflow& planned : wanted) {
        while (!is_stopping_ && !StartPlanned(*host_, planned).ok()) poll(nullptr, 0, kPollMs);
      }
    });
  }
  // One that waits for a message in its middle; the result is known once the message is.
  void StartWaiter(const std::string& id, int size, int64_t go) {
    const PlannedWorkflow planned = {.name = "waiter",
                                     .id = id,
                                     .size = size,
                                     .output = size + 1 + go,
                                     .is_queued = false,
                                     .transfer_count = 0};
    planned_.push_back(planned);
    REQUIRE(StartPlanned(*host_, planned).ok());
  }
  // Everything ends, and all promises are kept.
  void Finish(const std::string& database_url) {
    for (std::thread& caller : callers_) caller.join();
    callers_.clear();
    Sql sql(database_url);
    const bool has_ended = WaitFor([&] {
      return sql.Ask(
                 "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', "
                 "'ENQUEUED', 'DELAYED')") == "0";
    });
    CHECK(has_ended);
    CHECK(host_->Shutdown().ok());
    const WorkloadReport report = CheckWorkload(
        database_url, {.planned = planned_, .arrivals = outside_.arrivals(), .frozen = {}});
    INFO(report.ToText());
    CHECK(report.failures.empty());
  }

 private:
  static constexpr uint64_t kSeed = 20;

  LocalOutside outside_;
  std::unique_ptr<RuntimeHost> host_;
  std::atomic<bool> is_stopping_{false};
  std::vector<PlannedWorkflow> planned_;
  std::vector<std::thread> callers_;
};

}  // namespace

TEST_CASE("server: away for longer than the lease, the work goes on under a new one", "[pg]") {
  PostgresCluster cluster;
  const std::string url = cluster.CreateDatabase("away");
  Service service(url, "", /*lease_s=*/1.5);
  service.Ask(30);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() > 10; }));
  const RuntimeStats before = service.Stats();
  cluster.Kill();
  service.Ask(10);
  CHECK(service.WaitForAvailability(false));
  // Every lease is over when the server comes back.
  const SystemClock clock;
  const int64_t down_until_ns = clock.MonotonicNs() + 2 * kNanosPerSecond;
  CHECK(WaitFor([&] { return clock.MonotonicNs() > down_until_ns; }));
  cluster.Start();
  CHECK(service.WaitForAvailability(true));
  CHECK(WaitFor([&] { return service.Stats().lease_epoch > before.lease_epoch; }));
  service.Finish(url);
  // What was sent under the lease that ended does not cost the new one.
  CHECK(Sql(url).Ask("SELECT epoch FROM holdfast.executors") ==
        std::to_string(before.lease_epoch + 1));
}

TEST_CASE("server: a synchronous standby takes over and nothing acknowledged is missing", "[pg]") {
  PostgresCluster primary;
  const std::string url = primary.CreateDatabase("sync");
  const std::unique_ptr<PostgresCluster> standby = primary.StartStandby();
  const std::string name = url.substr(url.rfind('/') + 1);
  Sql(primary.Uri("postgres")).Run("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
  Sql(primary.Uri("postgres")).Run("SELECT pg_reload_conf()");
  REQUIRE(WaitFor([&] {
    return Sql(primary.Uri("postgres"))
               .Ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1";
  }));
  Service service(url, absl::StrCat("postgresql://holdfast@127.0.0.1:", primary.port(),
                                    ",127.0.0.1:", standby->port(), "/", name));
  service.Ask(40);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() > 10; }));
  primary.Kill();
  CHECK(service.WaitForAvailability(false));
  standby->Promote();
  CHECK(service.WaitForAvailability(true));
  service.Ask(10);
  service.Finish(standby->Uri(name));
  CHECK(Sql(standby->Uri(name)).Ask("SELECT epoch FROM holdfast.executors") == "1");
}

TEST_CASE("server: a standby that was behind takes over, and the loss is noticed", "[pg]") {
  PostgresCluster primary;
  const std::string url = primary.CreateDatabase("async");
  const std::unique_ptr<PostgresCluster> standby = primary.StartStandby();
  const std::string name = url.substr(url.rfind('/') + 1);
  Service service(url, absl::StrCat("postgresql://holdfast@127.0.0.1:", primary.port(),
                                    ",127.0.0.1:", standby->port(), "/", name));
  for (int i = 0; i < 5; ++i) service.StartWaiter(absl::StrCat("known-", i), i, 7);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() == 5; }));
  standby->WaitUntilCaughtUp(primary);
  // From here on the standby hears of nothing.
  Sql(standby->Uri("postgres")).Run("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'");
  Sql(standby->Uri("postgres")).Run("SELECT pg_reload_conf()");
  REQUIRE(WaitFor([&] {
    return Sql(primary.Uri("postgres")).Ask("SELECT count(*) FROM pg_stat_replication") == "0";
  }));
  // Acknowledged, and lost with the primary: a workflow, and steps of one that the standby knows.
  auto lost = service.host().Start<int64_t>("waiter", {.id = "lost"}, 1);
  REQUIRE(lost.ok());
  REQUIRE(service.host().Send<int64_t>("known-0", 7, "go").ok());
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() == 7; }));
  primary.Kill();
  CHECK(service.WaitForAvailability(false));
  standby->Promote();
  CHECK(service.WaitForAvailability(true));
  // The next write tells. It is not taken for a success, and everything is read anew.
  CHECK(WaitFor([&] {
    return service.host().Start<int64_t>("steps", {.id = "next"}, 1).ok() &&
           service.Stats().lease_loss_count == 1;
  }));
  CHECK(absl::IsNotFound(lost->Status().status()));
  for (int i = 0; i < 5; ++i) {
    CHECK(WaitFor(
        [&] { return service.host().Send<int64_t>(absl::StrCat("known-", i), 7, "go").ok(); }));
  }
  const std::string after = standby->Uri(name);
  for (int i = 0; i < 5; ++i) {
    auto handle = service.host().Retrieve<int64_t>(absl::StrCat("known-", i));
    const absl::StatusOr<int64_t> result = handle.Result(60);
    INFO(result.status());
    REQUIRE(result.ok());
    CHECK(*result == i + 1 + 7);
  }
  CHECK(service.host().Retrieve<int64_t>("next").Result(60).ok());
  CHECK(Sql(after).Ask("SELECT count(*) - count(DISTINCT (workflow_id, function_id)) "
                       "FROM public.bookings") == "0");
  CHECK(Sql(after).Ask("SELECT count(*) FROM dbos.workflow_status WHERE status <> 'SUCCESS'") ==
        "0");
}

TEST_CASE("server: no connection is free, and work goes on when one is", "[pg]") {
  PostgresCluster cluster({.is_durable = true, .settings = {{"max_connections", "24"}}});
  const std::string url = cluster.CreateDatabase("crowded");
  Service service(url);
  service.Ask(30);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() > 10; }));
  // The server drops the runtime's sessions, and others take every place.
  Sql admin(cluster.Uri("postgres"));
  std::vector<LibpqSession> crowd;
  CHECK(WaitFor([&] {
    admin.Run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'holdfast %'");
    while (true) {
      absl::StatusOr<LibpqSession> session = LibpqSession::Connect(cluster.Uri("postgres"));
      if (!session.ok()) break;
      crowd.push_back(*std::move(session));
    }
    return admin.Ask(
               "SELECT count(*) FROM pg_stat_activity "
               "WHERE application_name LIKE 'holdfast %'") == "0";
  }));
  service.Ask(5);
  CHECK(service.WaitForAvailability(false));
  crowd.clear();
  CHECK(service.WaitForAvailability(true));
  service.Finish(url);
}

TEST_CASE("server: read-only for a while", "[pg]") {
  PostgresCluster cluster;
  const std::string url = cluster.CreateDatabase("readonly");
  Service service(url);
  service.Ask(30);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() > 10; }));
  Sql admin(cluster.Uri("postgres"));
  admin.Run("ALTER SYSTEM SET default_transaction_read_only = on");
  admin.Run("SELECT pg_reload_conf()");
  service.Ask(5);
  CHECK(service.WaitForAvailability(false));
  admin.Run("SET default_transaction_read_only = off");
  admin.Run("ALTER SYSTEM SET default_transaction_read_only = off");
  admin.Run("SELECT pg_reload_conf()");
  CHECK(service.WaitForAvailability(true));
  service.Finish(url);
}

namespace {

// A small file system for a tablespace.
class SmallDisk {
 public:
  explicit SmallDisk(const PostgresCluster& cluster) : path_(cluster.folder() + "/small") {
    struct stat folder = {};
    REQUIRE(stat(cluster.folder().c_str(), &folder) == 0);
    REQUIRE(mkdir(path_.c_str(), 0700) == 0);
    const std::string options =
        absl::StrCat("size=20m,mode=0700,uid=", folder.st_uid, ",gid=", folder.st_gid);
    is_mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (!is_mounted_) why_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (is_mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool is_mounted() const { return is_mounted_; }
  const std::string& why() const { return why_; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  bool is_mounted_ = false;
  std::string why_;
};

}  // namespace

TEST_CASE("server: the disk is full for a while", "[pg]") {
  PostgresCluster cluster;
  const SmallDisk disk(cluster);
  if (!disk.is_mounted()) {
    WARN("not run: mounting a small file system needs root: " << disk.why());
    return;
  }
  const std::string url = cluster.CreateDatabase("full");
  const std::string name = url.substr(url.rfind('/') + 1);
  Sql admin(cluster.Uri("postgres"));
  admin.Run("CREATE TABLESPACE small LOCATION '" + disk.path() + "'");
  admin.Run("ALTER DATABASE " + name + " SET TABLESPACE small");
  admin.Run("CREATE TABLE filler (text text) TABLESPACE small");
  admin.Run("ALTER TABLE filler ALTER COLUMN text SET STORAGE PLAIN");
  Service service(url);
  service.Ask(20);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() > 10; }));
  for (const char* rows : {"1000", "100", "10", "1"}) {
    while (admin
               .Try(absl::StrCat("INSERT INTO filler SELECT repeat('x', 7000) "
                                 "FROM generate_series(1, ",
                                 rows, ")"))
               .ok()) {
    }
  }
  service.Ask(300);
  CHECK(service.WaitForAvailability(false));
  admin.Run("DROP TABLE filler");
  CHECK(service.WaitForAvailability(true));
  service.Finish(url);
}

TEST_CASE("server: another session locks the tables past every timeout", "[pg]") {
  PostgresCluster cluster;
  const std::string url = cluster.CreateDatabase("locked");
  Service service(url);
  service.Ask(30);
  REQUIRE(WaitFor([&] { return service.outside().arrivals().size() > 10; }));
  Sql other(url);
  other.Run("BEGIN");
  other.Run("LOCK TABLE dbos.workflow_status IN ACCESS EXCLUSIVE MODE");
  service.Ask(5);
  // Statements are given up by the server and sent again: that is no health.
  CHECK(service.WaitForAvailability(false));
  other.Run("COMMIT");
  CHECK(service.WaitForAvailability(true));
  service.Finish(url);
}

namespace {

// A machine whose wall clock is wrong.
class WrongClock final : public Clock {
 public:
  explicit WrongClock(int64_t error_ns) : error_ns_(error_ns) {}
  int64_t WallNs() const override { return clock_.WallNs() + error_ns_; }
  int64_t MonotonicNs() const override { return clock_.MonotonicNs(); }

 private:
  const SystemClock clock_;
  const int64_t error_ns_;
};

// Of several on one database.
std::unique_ptr<RuntimeHost> MakeHost(const Clock& clock, const std::string& url,
                                      const std::string& executor_id) {
  workflows::RuntimeHostOptions options;
  options.runtime.executor_id = executor_id;
  options.runtime.application_name = "crash";
  options.runtime.lease_ttl_s = 1.5;
  options.runtime.sweep_interval_s = 0.5;
  options.runtime.message_poll_interval_s = 1;
  options.seed = std::hash<std::string>()(executor_id);
  workflows::PostgresJournalOptions journal;
  journal.database_url = url;
  journal.sinks = WorkloadSinks();
  journal.statement_timeout_ms = 1'000;
  journal.seed = options.seed + 1;
  return std::make_unique<RuntimeHost>(
      options, [&clock] { return std::make_unique<workflows::EpollReactor>(clock); },
      [journal](workflows::Reactor& reactor) -> std::unique_ptr<workflows::Journal> {
        auto made = workflows::PostgresJournal::Create(
            static_cast<workflows::EpollReactor&>(reactor), journal);
        HF_ASSERT(made.ok());
        return *std::move(made);
      });
}

}  // namespace

TEST_CASE("server: leases and deadlines go by its clock, not by those of the workers", "[pg]") {
  constexpr int64_t kDayNs = 86'400 * kNanosPerSecond;
  PostgresCluster cluster;
  const std::string url = cluster.CreateDatabase("clocks");
  REQUIRE(CreateWorkloadTables(url).ok());
  const WrongClock early(-kDayNs);
  const WrongClock late(kDayNs);
  LocalOutside outside;
  const auto yesterday = MakeHost(early, url, "yesterday");
  const auto tomorrow = MakeHost(late, url, "tomorrow");
  for (RuntimeHost* host : {yesterday.get(), tomorrow.get()}) {
    RegisterWorkload(*host, outside);
    REQUIRE(host->Launch(60).ok());
  }
  // Nobody's lease looks over to the other one, and each keeps its own workflow.
  REQUIRE(yesterday->Start<int64_t>("waiter", {.id = "y"}, 1).ok());
  REQUIRE(tomorrow->Start<int64_t>("waiter", {.id = "t"}, 1).ok());
  Sql sql(url);
  const auto renewals = [&] {
    return sql.Ask(
        "SELECT count(*) FROM holdfast.executors "
        "WHERE heartbeat_at > started_at + interval '3 seconds'");
  };
  CHECK(WaitFor([&] { return renewals() == "2"; }));
  CHECK(sql.Ask("SELECT count(*) FROM holdfast.executors WHERE epoch = 1") == "2");
  CHECK(sql.Ask("SELECT sum(recovery_attempts) FROM dbos.workflow_status") == "2");
  // A time-out is over when the server says so.
  for (RuntimeHost* host : {yesterday.get(), tomorrow.get()}) {
    auto timed = host->Start<int64_t>("waiter", {.timeout_s = 0.5}, 1);
    REQUIRE(timed.ok());
    const absl::StatusOr<int64_t> result = timed->Result(30);
    INFO(result.status());
    CHECK_FALSE(result.ok());
    CHECK_FALSE(absl::IsDeadlineExceeded(result.status()));
    const auto sleeper = host->Start<int64_t>("sleeper", {}, 2);
    REQUIRE(sleeper.ok());
  }
  // The work of one that ends is the other's, whatever their calendars say.
  CHECK(yesterday->Shutdown().ok());
  REQUIRE(tomorrow->Send<int64_t>("y", 7, "go").ok());
  REQUIRE(tomorrow->Send<int64_t>("t", 7, "go").ok());
  CHECK(tomorrow->Retrieve<int64_t>("y").Result(60).ok());
  CHECK(tomorrow->Retrieve<int64_t>("t").Result(60).ok());
  CHECK(tomorrow->Shutdown().ok());
}

namespace {

// Application SQL that stays within its transaction until the gate opens, the first time.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_open = false;
  int entered_count = 0;

  void Pass() {
    std::unique_lock lock(mutex);
    if (++entered_count > 1) return;
    changed.wait(lock, [this] { return is_open; });
  }
  void Open() {
    const std::lock_guard lock(mutex);
    is_open = true;
    changed.notify_all();
  }
  int entered() {
    const std::lock_guard lock(mutex);
    return entered_count;
  }
};

class GatedBody final : public workflows::PostgresTransactionBody {
 public:
  explicit GatedBody(Gate* gate) : gate_(gate) {}
  absl::StatusOr<std::string> Run(pqxx::work& transaction) override {
    transaction.exec("INSERT INTO public.transfers (key, run) VALUES ('gated', 1)");
    gate_->Pass();
    return "1";
  }

 private:
  Gate* const gate_;
};

workflows::Task<absl::StatusOr<int64_t>> Gated(workflows::Workflow& workflow, Gate* gate) {
  const auto body = std::make_shared<GatedBody>(gate);
  HF_CO_ASSIGN_OR_RETURN(const int64_t done, workflow.RunTransaction<int64_t>("gated", body));
  co_return done;
}

}  // namespace

TEST_CASE("server: a worker that hangs within a transaction holds nobody up", "[pg]") {
  PostgresCluster cluster;
  const std::string url = cluster.CreateDatabase("hang");
  REQUIRE(CreateWorkloadTables(url).ok());
  TcpProxy proxy(cluster.port());
  Gate gate;
  const SystemClock clock;
  const auto hanging = MakeHost(
      clock,
      absl::StrCat("postgresql://holdfast@127.0.0.1:", proxy.port(), url.substr(url.rfind('/'))),
      "hanging");
  const auto other = MakeHost(clock, url, "other");
  for (RuntimeHost* host : {hanging.get(), other.get()}) {
    host->Register("gated",
                   [&gate](workflows::Workflow& workflow) { return Gated(workflow, &gate); });
    REQUIRE(host->Launch(60).ok());
  }
  REQUIRE(hanging->Start<int64_t>("gated", {.id = "g"}).ok());
  REQUIRE(WaitFor([&] { return gate.entered() == 1; }));
  // Its sessions stay open, its locks stay held, and it says nothing more.
  proxy.SetStalled(TcpProxy::Direction::kToServer, true);
  const absl::StatusOr<int64_t> result = other->Retrieve<int64_t>("g").Result(60);
  INFO(result.status());
  CHECK(result.ok());
  gate.Open();
  proxy.SetStalled(TcpProxy::Direction::kToServer, false);
  CHECK(WaitFor([&] { return hanging->Stats()->lease_loss_count == 1; }));
  CHECK(WaitFor([&] { return hanging->Stats()->holds_lease; }));
  CHECK(hanging->Shutdown().ok());
  CHECK(other->Shutdown().ok());
  CHECK(Sql(url).Ask("SELECT count(*) FROM public.transfers") == "1");
  CHECK(Sql(url).Ask("SELECT count(*) FROM public.ended_workflows") == "1");
}

TEST_CASE("server: what a dead worker was in the middle of sending holds nobody up", "[pg]") {
  PostgresCluster cluster;
  const std::string url = cluster.CreateDatabase("half");
  REQUIRE(CreateWorkloadTables(url).ok());
  // As a worker that froze, or lost its machine, between two statements of a batch: the rest of the
  // batch never comes, and nobody tells the server.
  constexpr char kIncarnation[] = "'11111111-1111-1111-1111-111111111111'";
  Sql dead(url);
  dead.Run("SET application_name = 'holdfast writer'");
  dead.Run(absl::StrCat("SELECT holdfast.register_executor('dead', ", kIncarnation,
                        ", 1000, 2, 'crash', '1')"));
  dead.Run(absl::StrCat(
      "INSERT INTO dbos.workflow_status (workflow_uuid, status, name, owner_xid, executor_id, "
      "application_version, inputs, serialization, recovery_attempts, created_at, updated_at) "
      "SELECT 'left', 'PENDING', 'steps', ",
      kIncarnation,
      " || '-1', 'dead', '1', '{\"positionalArgs\":[2],\"namedArgs\":{}}', "
      "'portable_json', 1, 1, 1"));
  dead.Run("BEGIN");
  dead.Run(absl::StrCat("SELECT holdfast.begin_batch('dead', ", kIncarnation,
                        ", 0, 1, '{left}', "
                        "ARRAY[",
                        kIncarnation, " || '-1'])"));
  const SystemClock clock;
  LocalOutside outside;
  const auto other = MakeHost(clock, url, "other");
  RegisterWorkload(*other, outside);
  REQUIRE(other->Launch(60).ok());
  const absl::StatusOr<int64_t> result = other->Retrieve<int64_t>("left").Result(60);
  INFO(result.status());
  CHECK(result.ok());
  CHECK_FALSE(dead.Try("COMMIT").ok());
  // Nor its own next life.
  const auto again = MakeHost(clock, url, "dead");
  CHECK(again->Launch(60).ok());
  CHECK(again->Shutdown().ok());
  CHECK(other->Shutdown().ok());
}

}  // namespace holdfast::testing
