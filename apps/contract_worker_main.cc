// holdfast-contract-worker: serves one queue with the workflows of contract_workflows.h, for suites
// of other parties. docs/runtime.md shows it at work with DBOS's own clients.
//
// Prints "ready" on standard output when it holds its lease; everything else is on standard error.
// SIGINT and SIGTERM end it: what runs stays PENDING, and another worker goes on with it at once.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "apps/contract_workflows.h"
#include "apps/signals.h"
#include "engine/base/clock.h"
#include "workflows/postgres/migrations.h"
#include "workflows/postgres/postgres_host.h"

namespace holdfast {
namespace {

// Exit codes.
constexpr int kOk = 0;
constexpr int kRuntimeFailure = 1;  // no database, or not the schema that is needed
constexpr int kBadConfiguration = 2;

// Clients enqueue, cancel, delay and configure without telling anybody.
constexpr double kQueueLookSeconds = 0.05;
constexpr double kSweepSeconds = 0.1;
constexpr double kRefreshSeconds = 0.5;
// Without a lease after this long there is something wrong.
constexpr int64_t kFirstLeaseNs = 60 * kNanosPerSecond;
constexpr int64_t kLookNs = 100 * kNanosPerMilli;

struct Options {
  std::string database_url;
  std::string queue;
  std::string application_name;
  std::string application_version;
  std::string executor_id;
  double lease_s = 5;
  bool is_migrating = true;
};

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "host";
}

void Say(std::string_view what, std::string_view text) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(text.size()), text.data());
}

int Fail(int code, const absl::Status& status) {
  Say("error", std::string(status.message()));
  return code;
}

// Called on the host's thread.
class Reporter final : public workflows::RuntimeObserver {
 public:
  bool has_been_granted() const { return has_been_granted_.load(std::memory_order_acquire); }

  void OnLeaseGranted(int64_t epoch) override {
    Say("lease", absl::StrCat("granted epoch=", epoch));
    if (has_been_granted_.exchange(true, std::memory_order_acq_rel)) return;
    std::puts("ready");
    std::fflush(stdout);
  }
  void OnLeaseLost(std::string_view why, size_t dropped_runs) override {
    Say("lease", absl::StrCat("lost dropped_runs=", dropped_runs, ": ", std::string(why)));
  }
  void OnParked(std::string_view id, std::string_view name, const absl::Status& reason) override {
    Say("parked",
        absl::StrCat("id=", std::string(id), " name=", std::string(name), ": ", reason.message()));
  }
  void OnDeadLetters(int64_t count) override {
    if (count > 0) Say("dead letters", absl::StrCat("count=", count));
  }
  void OnAvailability(bool is_available) override {
    Say("database", is_available ? "back" : "away");
  }
  void OnTrouble(std::string_view what, const absl::Status& status) override {
    Say("trouble", absl::StrCat(std::string(what), ": ", status.ToString()));
  }

 private:
  std::atomic<bool> has_been_granted_{false};
};

absl::Status PrepareSchema(const Options& options) {
  workflows::MigrationOptions migration;
  migration.is_dry_run = !options.is_migrating;
  const auto report = workflows::ApplyMigrations(options.database_url, migration);
  if (!report.ok()) return report.status();
  Say("schema", workflows::ToString(*report));
  if (migration.is_dry_run && !report->applied.empty()) {
    return absl::FailedPreconditionError(
        "the database is not up to date; let this program migrate it (--migrate)");
  }
  return absl::OkStatus();
}

int Serve(const Options& options, SignalQueue& signals) {
  workflows::PostgresHostOptions host_options;
  host_options.journal.database_url = options.database_url;
  workflows::RuntimeOptions& runtime = host_options.host.runtime;
  runtime.executor_id = options.executor_id;
  runtime.application_name = options.application_name;
  runtime.application_version = options.application_version;
  runtime.host = HostName();
  runtime.lease_ttl_s = options.lease_s;
  runtime.queue_look_interval_s = kQueueLookSeconds;
  runtime.sweep_interval_s = kSweepSeconds;
  runtime.refresh_interval_s = kRefreshSeconds;
  Reporter reporter;
  auto host = workflows::MakePostgresHost(std::move(host_options), &reporter);
  if (!host.ok()) return Fail(kBadConfiguration, host.status());
  if (absl::Status status = PrepareSchema(options); !status.ok()) {
    return Fail(kRuntimeFailure, status);
  }
  RegisterContractWorkflows(**host);
  (*host)->ListenQueue(options.queue);
  // The host goes on trying when it has no answer yet; signals are heard meanwhile.
  static_cast<void>((*host)->Launch(/*timeout_s=*/0));
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + kFirstLeaseNs;
  while (!signals.Wait(kLookNs).has_value()) {
    if (!reporter.has_been_granted() && clock.MonotonicNs() > deadline_ns) {
      return Fail(kRuntimeFailure, absl::DeadlineExceededError("got no lease"));
    }
  }
  if (absl::Status status = (*host)->Shutdown(); !status.ok()) Say("shutdown", status.ToString());
  return kOk;
}

int Main(int argument_count, char** arguments) {
  // Before any thread.
  SignalQueue signals;
  Options options;
  options.executor_id = absl::StrCat(HostName(), "-", getpid());
  CLI::App app("Serves a queue with the workflows that suites of other parties expect.",
               "holdfast-contract-worker");
  app.set_version_flag("--version", std::string(HOLDFAST_VERSION));
  app.add_option("--database-url", options.database_url, "PostgreSQL, as a URI")->required();
  app.add_option("--queue", options.queue, "the queue to serve, beside DBOS's internal one")
      ->required();
  app.add_option("--app-name", options.application_name, "application name")->required();
  app.add_option("--app-version", options.application_version, "application version")->required();
  app.add_option("--executor-id", options.executor_id,
                 "one live process each (default: host and process)");
  app.add_option("--lease-seconds", options.lease_s,
                 "how long the work of a dead worker waits for another one")
      ->check(CLI::Range(0.5, 3600.0));
  app.add_flag("--migrate,!--no-migrate", options.is_migrating,
               "bring the database's schema up to date (the default)");
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return Fail(kBadConfiguration, absl::InvalidArgumentError(absl::StrCat(
                                       "flags: ", std::string(error.what()), " (see --help)")));
  }
  for (const auto& [name, value] :
       {std::pair("--queue", &options.queue), std::pair("--app-name", &options.application_name),
        std::pair("--app-version", &options.application_version),
        std::pair("--executor-id", &options.executor_id)}) {
    if (!value->empty()) continue;
    return Fail(kBadConfiguration,
                absl::InvalidArgumentError(absl::StrCat("flags: ", name, " is empty")));
  }
  return Serve(options, signals);
}

}  // namespace
}  // namespace holdfast

int main(int argument_count, char** arguments) { return holdfast::Main(argument_count, arguments); }
