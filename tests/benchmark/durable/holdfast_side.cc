// This project's side of the durable benchmark: default settings, one scenario a process, one line
// of JSON. Scenarios, arguments and fields are those of the peer, dbos_side.mjs; `migrate` makes
// the schema. Results are checked, and count only when the caller has them, which is after their
// commit.
//
//   holdfast_durable_bench SCENARIO DATABASE_URL COUNT
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/prng.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/migrations.h"
#include "workflows/postgres/postgres_host.h"
#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {
namespace {

using Steady = std::chrono::steady_clock;
using Fields = nlohmann::ordered_json;

constexpr char kQueue[] = "bench_queue";
constexpr double kPatienceS = 600;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Die(std::string(status.message()));
}

template <class T>
T Check(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

void CheckResult(int64_t actual, int64_t expected) {
  if (actual != expected) {
    Die("wrong result: " + std::to_string(actual) + ", expected " + std::to_string(expected));
  }
}

double SecondsSince(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

template <int kStepCount>
Task<absl::StatusOr<int64_t>> Steps(Workflow& workflow, int64_t value) {
  for (int i = 0; i < kStepCount; ++i) {
    HF_CO_ASSIGN_OR_RETURN(value, workflow.Step("step", [value] { return value + 1; }));
  }
  co_return value;
}

int64_t PeakMemoryBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return 1024 * std::atoll(line.c_str() + 6);
  }
  Die("no VmHWM in /proc/self/status");
}

Fields Summary(std::vector<double> samples_ms) {
  std::sort(samples_ms.begin(), samples_ms.end());
  const auto at = [&](double part) {
    const auto index = static_cast<size_t>(static_cast<double>(samples_ms.size()) * part);
    return samples_ms[std::min(samples_ms.size() - 1, index)];
  };
  return {{"p50_ms", at(0.5)}, {"p99_ms", at(0.99)}, {"count", samples_ms.size()}};
}

std::unique_ptr<RuntimeHost> MakeHost(const std::string& database_url) {
  PostgresHostOptions options;
  options.host.runtime.executor_id = "bench-executor";
  options.host.runtime.application_name = "bench";
  options.host.runtime.application_version = "bench-1";
  options.journal.database_url = database_url;
  std::unique_ptr<RuntimeHost> host = Check(MakePostgresHost(std::move(options)));
  host->Register("bench_1_step", &Steps<1>);
  host->Register("bench_3_step", &Steps<3>);
  host->Register("bench_4_step", &Steps<4>);
  QueueConfig queue;
  queue.name = kQueue;
  host->RegisterQueue(std::move(queue));
  return host;
}

// ---- Many at a time
// -------------------------------------------------------------------------------

// Lanes on the runtime's thread, as the peer's are on its event loop: each starts a workflow, waits
// for its result, and starts the next one.
class Lanes {
 public:
  struct Outcome {
    double workflows_per_s = 0;
    std::vector<double> samples_ms;  // from the start to the result
  };

  Lanes(Runtime& runtime, std::string workflow, int64_t total, int64_t expected,
        Reply<Outcome> reply)
      : runtime_(runtime),
        workflow_(std::move(workflow)),
        total_(total),
        expected_(expected),
        reply_(std::move(reply)) {}

  void Begin(int concurrency) {
    for (int i = 0; i < concurrency; ++i) StartNext();
  }

 private:
  void StartNext() {
    if (started_count_ == total_) return;
    ++started_count_;
    runtime_.Start(workflow_, {},
                   Check(internal::EncodeCall(PayloadFormat::kPortableJson, int64_t{1})),
                   [this, begin = Steady::now()](absl::StatusOr<StartedWorkflow> started) {
                     runtime_.AwaitResult(Check(std::move(started)).id,
                                          [this, begin](absl::StatusOr<WorkflowResult> result) {
                                            OnResult(Check(std::move(result)), begin);
                                          });
                   });
  }

  void OnResult(const WorkflowResult& result, Steady::time_point begin) {
    Check(internal::StatusOfResult(result, workflow_));
    CheckResult(Check(internal::DecodeTyped<int64_t>(result.serialization, result.output)),
                expected_);
    samples_ms_.push_back(SecondsSince(begin) * 1e3);
    if (samples_ms_.size() < static_cast<size_t>(total_)) return StartNext();
    reply_(Outcome{.workflows_per_s = static_cast<double>(total_) / SecondsSince(begin_),
                   .samples_ms = std::move(samples_ms_)});
  }

  Runtime& runtime_;
  const std::string workflow_;
  const int64_t total_;
  const int64_t expected_;
  Reply<Outcome> reply_;
  const Steady::time_point begin_ = Steady::now();
  int64_t started_count_ = 0;
  std::vector<double> samples_ms_;
};

Lanes::Outcome InParallel(RuntimeHost& host, const std::string& workflow, int concurrency,
                          int64_t total, int64_t expected) {
  auto lanes = std::make_shared<std::unique_ptr<Lanes>>();
  return Check(host.Call<Lanes::Outcome>(
      [=](Runtime& runtime, Reply<Lanes::Outcome> reply) {
        *lanes = std::make_unique<Lanes>(runtime, workflow, total, expected, std::move(reply));
        (*lanes)->Begin(concurrency);
      },
      kPatienceS));
}

WriterStats ReadWriterStats(RuntimeHost& host) {
  return Check(host.Call<WriterStats>([](Runtime& runtime, Reply<WriterStats> reply) {
    reply(dynamic_cast<PostgresJournal&>(runtime.journal()).stats().writes);
  }));
}

// Commits by the number of writes that they carried.
Fields BatchSizes(const WriterStats& before, const WriterStats& after) {
  Fields sizes = Fields::object();
  for (size_t i = 0; i < after.batches_by_size.size(); ++i) {
    const int64_t count = after.batches_by_size[i] - before.batches_by_size[i];
    const int64_t low = int64_t{1} << i;
    const std::string range =
        low == 1 ? "1" : std::to_string(low) + "-" + std::to_string(2 * low - 1);
    if (count > 0) sizes[range] = count;
  }
  return sizes;
}

// ---- Another party's view of the tables, so that both sides are measured alike
// --------------------

class Watcher {
 public:
  Watcher(const std::string& database_url, const std::string& condition)
      : session_(Check(LibpqSession::Connect(database_url))),
        sql_(
            "SELECT count(*) FILTER (WHERE status = 'SUCCESS') AS done, count(*) AS total "
            "FROM dbos.workflow_status WHERE " +
            condition),
        begin_(Steady::now()) {}

  Fields UntilDone() {
    std::optional<double> first_s;
    for (;;) {
      const SessionResult result = Check(session_.Execute(sql_));
      const double elapsed_s = SecondsSince(begin_);
      const std::string& done = result.rows.at(0).at(0).value();
      if (!first_s && done != "0") first_s = elapsed_s;
      if (done == result.rows.at(0).at(1).value()) {
        return {{"first_s", first_s.value_or(elapsed_s)}, {"all_s", elapsed_s}};
      }
      if (elapsed_s > kPatienceS) Die("not done in time: " + done);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

 private:
  LibpqSession session_;
  const std::string sql_;
  const Steady::time_point begin_;
};

// ---- The scenarios
// --------------------------------------------------------------------------------

// One lane on the runtime's thread, like the peer's on its event loop; and the same from a thread
// of the program, where the hand-over to the runtime's thread and back is part of it.
Fields RunLatency(RuntimeHost& host, int64_t count) {
  InParallel(host, "bench_1_step", 1, 50, 2);
  Fields result = Summary(InParallel(host, "bench_1_step", 1, count, 2).samples_ms);
  std::vector<double> samples_ms;
  for (int64_t i = 0; i < count; ++i) {
    const Steady::time_point begin = Steady::now();
    CheckResult(Check(Check(host.Start<int64_t>("bench_1_step", {}, int64_t{1})).Result()), 2);
    samples_ms.push_back(SecondsSince(begin) * 1e3);
  }
  result["p50_ms_from_another_thread"] = Summary(std::move(samples_ms))["p50_ms"];
  return result;
}

Fields RunThroughput(RuntimeHost& host, int64_t count) {
  InParallel(host, "bench_1_step", 100, 300, 2);
  const WriterStats before = ReadWriterStats(host);
  const double rate = InParallel(host, "bench_1_step", 100, count, 2).workflows_per_s;
  return {{"workflows_per_s", rate}, {"batch_sizes", BatchSizes(before, ReadWriterStats(host))}};
}

Fields RunSteps(RuntimeHost& host, int64_t count) {
  InParallel(host, "bench_4_step", 100, 100, 5);
  return {{"steps_per_s", 4 * InParallel(host, "bench_4_step", 100, count, 5).workflows_per_s}};
}

Fields RunEnqueue(RuntimeHost& host, int64_t count) {
  Prng prng(1);
  std::vector<double> samples_ms;
  for (int64_t i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(prng.Between(200, 300)));
    const Steady::time_point begin = Steady::now();
    auto handle = Check(host.Enqueue<int64_t>(kQueue, "bench_1_step", {}, int64_t{1}));
    CheckResult(Check(handle.Result()), 2);
    samples_ms.push_back(SecondsSince(begin) * 1e3);
  }
  return Summary(std::move(samples_ms));
}

Fields RunIdle(RuntimeHost&, int64_t seconds) {
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  return Fields::object();
}

int Main(const std::string& scenario, const std::string& database_url, int64_t count) {
  if (scenario == "migrate") {
    Check(ApplyMigrations(database_url).status());
    return 0;
  }
  const std::map<std::string, std::function<Fields(RuntimeHost&, int64_t)>> scenarios = {
      {"latency", RunLatency},
      {"throughput", RunThroughput},
      {"steps", RunSteps},
      {"enqueue", RunEnqueue},
      {"idle", RunIdle}};
  // These begin before the launch: what waits was put there by the harness.
  const std::map<std::string, std::string> start_scenarios = {
      {"drain", "queue_name = 'bench_queue'"}, {"recovery", "workflow_uuid LIKE 'recover-%'"}};

  Fields result = {{"scenario", scenario}};
  std::unique_ptr<RuntimeHost> host;
  if (const auto found = start_scenarios.find(scenario); found != start_scenarios.end()) {
    Watcher watcher(database_url, found->second);
    host = MakeHost(database_url);
    Check(host->Launch());
    result.update(watcher.UntilDone());
  } else if (scenarios.contains(scenario)) {
    host = MakeHost(database_url);
    Check(host->Launch());
    result.update(scenarios.at(scenario)(*host, count));
  } else {
    Die("no such scenario: " + scenario);
  }
  result["peak_memory_bytes"] = PeakMemoryBytes();
  std::printf("%s\n", result.dump().c_str());
  std::fflush(stdout);
  Check(host->Shutdown());
  return 0;
}

}  // namespace
}  // namespace holdfast::workflows

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr,
                 "usage: %s migrate|latency|throughput|steps|enqueue|drain|recovery|idle "
                 "DATABASE_URL COUNT\n",
                 argv[0]);
    return 2;
  }
  return holdfast::workflows::Main(argv[1], argv[2], std::atoll(argv[3]));
}
