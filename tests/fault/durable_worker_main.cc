// One worker of the crash tests of the durable runtime: serves the workload on PostgreSQL, starts
// what the ledger hands out, until it is told to end (SIGTERM) or killed.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/clock.h"
#include "tests/fault/durable_ledger.h"
#include "tests/fault/durable_workload.h"
#include "workflows/postgres/postgres_host.h"

namespace holdfast::testing {
namespace {

constexpr int kStarterCount = 2;
constexpr int kNothingToStartMs = 20;

// Every line with the wall clock, so that it can be laid beside the test's timeline.
void Log(const std::string& text) {
  const SystemClock clock;
  std::fprintf(stderr, "%.3f %d %s\n", static_cast<double>(clock.WallNs()) / 1e9, getpid(),
               text.c_str());
}

class LoggingObserver final : public workflows::RuntimeObserver {
 public:
  void OnParked(std::string_view id, std::string_view name, const absl::Status& reason) override {
    Log("parked " + std::string(name) + " " + std::string(id) + ": " + reason.ToString());
  }
  void OnDeadLetters(int64_t count) override { Log("dead letters " + std::to_string(count)); }
  void OnLeaseGranted(int64_t epoch) override { Log("lease granted " + std::to_string(epoch)); }
  void OnLeaseLost(std::string_view why, size_t dropped) override {
    Log("lease lost, dropped " + std::to_string(dropped) + ": " + std::string(why));
  }
  void OnAvailability(bool is_available) override {
    Log(is_available ? "journal available" : "journal away");
  }
  void OnTrouble(std::string_view what, const absl::Status& status) override {
    Log("trouble: " + std::string(what) + ": " + status.ToString());
  }
};

void StartWhatIsWanted(workflows::RuntimeHost& host, const std::string& ledger_path, uint64_t seed,
                       const std::atomic<bool>& is_stopping) {
  LedgerClient ledger(ledger_path);
  while (!is_stopping.load()) {
    const std::optional<int> index = ledger.Next();
    if (!index.has_value()) {
      poll(nullptr, 0, kNothingToStartMs);
      continue;
    }
    const absl::Status status = StartPlanned(host, PlanWorkflow(seed, *index));
    if (status.ok()) {
      ledger.Accepted(*index);
    } else if (!absl::IsDeadlineExceeded(status) && !absl::IsUnavailable(status) &&
               !absl::IsPermissionDenied(status)) {  // that is: the lease ended meanwhile
      ledger.Refused(*index, status.ToString());
    }
  }
}

int Main(std::map<std::string, std::string> flags) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  LedgerClient ledger(flags["--ledger"]);
  LoggingObserver observer;
  const uint64_t seed = std::strtoull(flags["--seed"].c_str(), nullptr, 10);
  workflows::PostgresHostOptions options;
  options.journal.database_url = flags["--database-url"];
  options.journal.sinks = WorkloadSinks();
  options.journal.connect_timeout_ms = 2'000;
  options.journal.statement_timeout_ms = 5'000;
  options.journal.reconnect_ms_max = 300;
  options.host.runtime.executor_id = flags["--executor-id"];
  options.host.runtime.application_name = "crash";
  options.host.runtime.lease_ttl_s = std::strtod(flags["--lease-s"].c_str(), nullptr);
  options.host.runtime.sweep_interval_s = 1;
  options.host.runtime.message_poll_interval_s = 2;
  auto host = workflows::MakePostgresHost(options, &observer);
  if (!host.ok()) {
    Log(host.status().ToString());
    return 1;
  }
  RegisterWorkload(**host, ledger);
  const absl::Status launched = (*host)->Launch();
  if (!launched.ok()) {
    Log(launched.ToString());
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  std::atomic<bool> is_stopping{false};
  std::vector<std::thread> starters;
  for (int i = 0; i < kStarterCount; ++i) {
    starters.emplace_back([&] { StartWhatIsWanted(**host, flags["--ledger"], seed, is_stopping); });
  }
  int signal = 0;
  sigwait(&ends, &signal);
  is_stopping.store(true);
  for (std::thread& starter : starters) starter.join();
  const absl::Status status = (*host)->Shutdown();
  if (!status.ok()) Log(status.ToString());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::testing

int main(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  return holdfast::testing::Main(std::move(flags));
}
