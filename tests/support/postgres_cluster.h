#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::testing {

struct PostgresOptions {
  // True: the server's own defaults (fsync, synchronous_commit), what durability is tested on.
  // False: nothing is forced to disk; for tests of pure logic.
  bool is_durable = true;
  // Further lines of postgresql.conf, as (name, value), the value as it is written there.
  std::vector<std::pair<std::string, std::string>> settings;
};

// A PostgreSQL server of this test's own: a data folder below the temporary folder, a unix socket
// there, loopback on a free port, superuser `holdfast` without a password. Ends with the object,
// and also when the test's process ends in any other way: a watcher stops it and removes the
// folder.
//
// As root it runs as the user `postgres`. The binaries are Debian's of PostgreSQL 15, or those in
// the folder that HOLDFAST_POSTGRES_BIN names.
//
// What goes wrong is thrown as std::runtime_error with the server's last words: without PostgreSQL
// the tests fail. One thread at a time; only what is said to be is safe from others.
class PostgresCluster {
 public:
  explicit PostgresCluster(const PostgresOptions& options = {});
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  // An empty database, or one with every migration applied (copied, not migrated again). The name
  // is made from `hint` and a number; answers the URI over loopback.
  std::string CreateEmptyDatabase(std::string_view hint = "test");
  std::string CreateDatabase(std::string_view hint = "test");

  std::string Uri(std::string_view database, std::string_view user = "holdfast") const;
  std::string SocketUri(std::string_view database) const;
  uint16_t port() const { return port_; }
  const std::string& folder() const { return folder_; }
  // Pid of the server, -1 when it is stopped.
  pid_t pid() const { return pid_; }
  std::string LogTail(size_t max_bytes = 4000) const;

  // ---- Faults ---------------------------------------------------------------------------------
  // Starts and ends are complete when the call returns. The port stays the same.
  void StopFast();       // ends sessions, writes a checkpoint
  void StopImmediate();  // as after a crash of the machine's power: recovery at the next start
  void Kill();           // SIGKILL for the server and every backend
  void Start();
  void RestartImmediate() {
    StopImmediate();
    Start();
  }
  // Stops every process of the server in its tracks, and lets them go on.
  void Freeze();
  void Thaw();

  // ---- A standby ------------------------------------------------------------------------------
  // A streaming copy of this server, asynchronous unless synchronous_standby_names says otherwise.
  // This server must outlive the copying, not the standby.
  std::unique_ptr<PostgresCluster> StartStandby();
  // Waits until this standby has replayed what `primary` has written so far.
  void WaitUntilCaughtUp(const PostgresCluster& primary);
  // The standby becomes a server that is written to; complete when the call returns.
  void Promote();

 private:
  struct StandbyOf {
    const PostgresCluster& primary;
  };
  explicit PostgresCluster(StandbyOf source);

  void MakeFolder();
  void StartWatcher();
  void WriteSettings();
  void Launch();
  void WaitUntilReady();
  void WaitUntilGone(std::string_view what);
  std::vector<pid_t> Processes() const;

  PostgresOptions options_;
  std::string folder_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
  pid_t watcher_ = -1;
  int watcher_pipe_ = -1;
  int next_database_ = 1;
  bool has_template_ = false;
  bool is_standby_ = false;
};

}  // namespace holdfast::testing
