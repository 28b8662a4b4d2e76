// Proves that the private PostgreSQL servers of the tests do what their faults say: they restart,
// crash, freeze, fail over, and leave nothing behind. Uses one server a case.
#include "tests/support/postgres_cluster.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <optional>
#include <string>

#include "engine/base/clock.h"
#include "tests/support/tcp_proxy.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::testing {
namespace {

using workflows::LibpqSession;
using workflows::SessionResult;

LibpqSession Open(const std::string& uri) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri);
  INFO(session.status());
  REQUIRE(session.ok());
  return *std::move(session);
}

std::string Ask(const std::string& uri, const std::string& sql) {
  LibpqSession session = Open(uri);
  const absl::StatusOr<std::optional<std::string>> value = session.QueryValue(sql);
  INFO(sql << ": " << value.status());
  REQUIRE(value.ok());
  return value->value_or("NULL");
}

void Run(const std::string& uri, const std::string& sql) {
  LibpqSession session = Open(uri);
  const absl::Status status = session.Execute(sql).status();
  INFO(sql << ": " << status);
  REQUIRE(status.ok());
}

template <class Condition>
bool WaitFor(const Condition& condition) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + 30 * kNanosPerSecond;
  while (!condition()) {
    if (clock.MonotonicNs() > deadline_ns) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace

TEST_CASE("cluster: durable by default, and databases are apart", "[pg]") {
  PostgresCluster cluster;
  CHECK(Ask(cluster.Uri("postgres"),
            "SELECT current_setting('fsync') || "
            "current_setting('synchronous_commit')") == "onon");
  const std::string one = cluster.CreateDatabase("same");
  const std::string two = cluster.CreateDatabase("same");
  CHECK(one != two);
  Run(one, "SELECT dbos.enqueue_workflow('w', 'q')");
  CHECK(Ask(one, "SELECT count(*) FROM dbos.workflow_status") == "1");
  CHECK(Ask(two, "SELECT count(*) FROM dbos.workflow_status") == "0");
  CHECK(Ask(cluster.SocketUri("postgres"), "SELECT inet_server_port() IS NULL") == "t");
}

TEST_CASE("cluster: what was committed survives every way to stop it", "[pg]") {
  PostgresCluster cluster;
  const std::string uri = cluster.CreateEmptyDatabase();
  Run(uri, "CREATE TABLE t (n int)");
  const uint16_t port = cluster.port();
  int64_t row_count = 0;
  const auto check = [&] {
    CHECK(cluster.port() == port);
    CHECK(Ask(uri, "SELECT count(*) FROM t") == std::to_string(row_count));
    Run(uri, "INSERT INTO t VALUES (1)");
    ++row_count;
  };
  check();
  cluster.StopFast();
  CHECK(LibpqSession::Connect(uri).status().code() == absl::StatusCode::kUnavailable);
  cluster.Start();
  check();
  cluster.RestartImmediate();
  check();
  cluster.Kill();
  cluster.Start();
  check();
}

TEST_CASE("cluster: frozen it answers nobody, thawed it goes on", "[pg]") {
  PostgresCluster cluster({.is_durable = false, .settings = {}});
  const std::string uri = cluster.CreateEmptyDatabase();
  LibpqSession session = Open(uri);
  cluster.Freeze();
  std::future<absl::Status> answer =
      std::async(std::launch::async, [&] { return session.Execute("SELECT 1").status(); });
  CHECK(answer.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  CHECK(LibpqSession::Connect(uri + "?connect_timeout=1").status().code() ==
        absl::StatusCode::kDeadlineExceeded);
  cluster.Thaw();
  CHECK(answer.get().ok());
}

TEST_CASE("cluster: a standby follows, is promoted, and takes writes", "[pg]") {
  std::optional<PostgresCluster> primary(std::in_place);
  const std::string name = "postgres";
  Run(primary->Uri(name), "CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
  const std::unique_ptr<PostgresCluster> standby = primary->StartStandby();
  Run(primary->Uri(name), "INSERT INTO t VALUES (2)");
  standby->WaitUntilCaughtUp(*primary);
  CHECK(Ask(standby->Uri(name), "SELECT count(*) FROM t") == "2");
  CHECK(workflows::SqlStateOf(
            Open(standby->Uri(name)).Execute("INSERT INTO t VALUES (3)").status()) == "25006");
  const std::string both = "postgresql://holdfast@127.0.0.1:" + std::to_string(primary->port()) +
                           ",127.0.0.1:" + std::to_string(standby->port()) +
                           "/postgres?target_session_attrs=read-write";
  CHECK(Ask(both, "SELECT inet_server_port()") == std::to_string(primary->port()));
  primary.reset();
  standby->Promote();
  CHECK(Ask(both, "SELECT inet_server_port()") == std::to_string(standby->port()));
  Run(both, "INSERT INTO t VALUES (3)");
}

TEST_CASE("cluster: it ends with the process, however that ends", "[pg]") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const PostgresCluster cluster({.is_durable = false, .settings = {}});
    const std::string text = std::to_string(cluster.pid()) + " " + cluster.folder();
    if (write(ends[1], text.data(), text.size()) < 0) _exit(1);
    pause();
    _exit(0);
  }
  std::array<char, 256> text = {};
  REQUIRE(read(ends[0], text.data(), text.size() - 1) > 0);
  const std::string line = text.data();
  const std::string server = line.substr(0, line.find(' '));
  const std::string folder = line.substr(line.find(' ') + 1);
  CHECK(std::filesystem::exists(folder));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  CHECK(WaitFor([&] { return !std::filesystem::exists(folder); }));
  // Adopted by a parent that may never ask for its ending: then it stays as a name without memory.
  CHECK(WaitFor([&] { return !std::filesystem::exists("/proc/" + server + "/exe"); }));
}

TEST_CASE("cluster: without PostgreSQL it fails and says why", "[pg]") {
  setenv("HOLDFAST_POSTGRES_BIN", "/nowhere", 1);
  CHECK_THROWS_WITH(PostgresCluster(), Catch::Contains("/nowhere/postgres is not there"));
  unsetenv("HOLDFAST_POSTGRES_BIN");
}

TEST_CASE("cluster: a commit whose answer is cut off has happened", "[pg]") {
  PostgresCluster cluster;
  const std::string uri = cluster.CreateEmptyDatabase();
  Run(uri, "CREATE TABLE t (n int)");
  TcpProxy proxy(cluster.port());
  std::string through = uri;
  const std::string port = ":" + std::to_string(cluster.port()) + "/";
  through.replace(through.find(port), port.size(), ":" + std::to_string(proxy.port()) + "/");
  LibpqSession session = Open(through);
  proxy.CutAfter(TcpProxy::Direction::kToClient, 0);
  const absl::Status status = session.Execute("INSERT INTO t VALUES (1)").status();
  CHECK(status.code() == absl::StatusCode::kUnavailable);
  CHECK(proxy.WaitForCut(30'000));
  CHECK(WaitFor([&] { return Ask(uri, "SELECT count(*) FROM t") == "1"; }));
}

}  // namespace holdfast::testing
