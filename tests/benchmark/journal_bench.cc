// What the journal on PostgreSQL costs, on a server of its own with its default, durable settings:
// one workflow of one step at a time beside a bare INSERT and COMMIT, a hundred at a time, and the
// drain of a queue. Prints percentiles, rates and the sizes of batches.
//
//   journal_bench [workflow count] [writer count] [concurrency] [microseconds to poll before a
//   wait]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/assert.h"
#include "engine/base/clock.h"
#include "tests/support/postgres_cluster.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/runtime/epoll_reactor.h"

namespace holdfast::workflows {
namespace {

constexpr char kIncarnation[] = "11111111-2222-4333-8444-555555555555";

class Bench {
 public:
  Bench(const std::string& uri, int writer_count, int64_t spin_ns)
      : reactor_(clock_, EpollReactor::Options{.spin_ns = spin_ns}) {
    PostgresJournalOptions options;
    options.database_url = uri;
    options.writer_count = writer_count;
    options.seed = static_cast<uint64_t>(clock_.WallNs());
    auto journal = PostgresJournal::Create(reactor_, std::move(options));
    HF_ASSERT(journal.ok());
    journal_ = *std::move(journal);
    bool is_registered = false;
    journal_->RegisterExecutor({.executor_id = "bench",
                                .incarnation = kIncarnation,
                                .application_name = "bench",
                                .application_version = "1",
                                .host = "",
                                .process_id = 1},
                               600'000, [&](absl::StatusOr<LeaseGrant> grant) {
                                 HF_ASSERT(grant.ok());
                                 is_registered = true;
                               });
    while (!is_registered) reactor_.RunOnce(kNanosPerSecond);
  }

  // Start, then step and end in one commit; `done` with the nanoseconds that it took.
  void RunOne(std::function<void(int64_t)> done) {
    const int64_t begin_ns = clock_.MonotonicNs();
    const std::string id = "workflow-" + std::to_string(next_++);
    StartRequest request;
    request.workflow.id = id;
    request.workflow.name = "one_step";
    request.workflow.inputs = R"({"positionalArgs":[1],"namedArgs":{}})";
    request.workflow.serialization = "portable_json";
    request.workflow.owner_token = kIncarnation + ("-" + std::to_string(next_));
    const Fence fence = {.workflow_id = id, .owner_token = *request.workflow.owner_token};
    journal_->Start(std::move(request), [this, fence, begin_ns, done = std::move(done)](
                                            absl::StatusOr<StartResult> result) {
      HF_ASSERT(result.ok());
      HF_ASSERT(result->outcome == StartOutcome::kCreated);
      Finish(fence, [this, begin_ns, done] { done(clock_.MonotonicNs() - begin_ns); });
    });
  }

  void Finish(const Fence& fence, std::function<void()> done) {
    WorkflowCommit commit;
    commit.fence = fence;
    commit.steps.push_back({.function_id = 0,
                            .name = "step",
                            .output = "42",
                            .error = {},
                            .child_workflow_id = {},
                            .serialization = "portable_json",
                            .started_at_ms = 1,
                            .completed_at_ms = 2});
    commit.finish = workflows::Finish{
        .status = WorkflowStatus::kSuccess, .output = "42", .error = std::nullopt};
    journal_->Commit(std::move(commit), [done](absl::StatusOr<CommitResult> result) {
      HF_ASSERT(result.ok());
      HF_ASSERT(result->is_durable);
      done();
    });
  }

  void RunMany(int64_t count, int concurrency) {
    std::vector<int64_t> latencies;
    int64_t started = 0;
    const PostgresJournalStats before = journal_->stats();
    const int64_t begin_ns = clock_.MonotonicNs();
    std::function<void()> next = [&] {
      if (started == count) return;
      ++started;
      RunOne([&](int64_t latency_ns) {
        latencies.push_back(latency_ns);
        next();
      });
    };
    for (int i = 0; i < concurrency; ++i) next();
    while (static_cast<int64_t>(latencies.size()) < count) reactor_.RunOnce(kNanosPerSecond);
    const double seconds = static_cast<double>(clock_.MonotonicNs() - begin_ns) / 1e9;
    std::printf("%4d at a time: %8.0f workflows/s", concurrency,
                static_cast<double>(count) / seconds);
    PrintPercentiles(latencies);
    PrintBatches(before.writes, journal_->stats().writes);
  }

  void Drain(int64_t count) {
    int64_t enqueued = 0;
    for (int64_t i = 0; i < count; ++i) {
      StartRequest request;
      request.workflow.id = "queued-" + std::to_string(i);
      request.workflow.name = "one_step";
      request.workflow.inputs = R"({"positionalArgs":[1],"namedArgs":{}})";
      request.workflow.serialization = "portable_json";
      request.workflow.queue_name = "bench";
      journal_->Start(std::move(request), [&](absl::StatusOr<StartResult> result) {
        HF_ASSERT(result.ok());
        ++enqueued;
      });
    }
    int64_t begin_ns = clock_.MonotonicNs();
    while (enqueued < count) reactor_.RunOnce(kNanosPerSecond);
    std::printf(
        "enqueue:       %8.0f workflows/s\n",
        static_cast<double>(count) * 1e9 / static_cast<double>(clock_.MonotonicNs() - begin_ns));
    begin_ns = clock_.MonotonicNs();
    int64_t first_ns = 0;
    int64_t finished = 0;
    int64_t running = 0;
    bool is_claiming = false;
    const std::function<void()> claim = [&] {
      if (is_claiming || running > 250 || finished + running == count) return;
      is_claiming = true;
      ClaimRequest request;
      request.queue.name = "bench";
      request.workflow_names = {"one_step"};
      request.is_latest_version = true;
      request.max_count = 500;
      journal_->ClaimQueued(std::move(request), [&](absl::StatusOr<ClaimResult> result) {
        HF_ASSERT(result.ok());
        is_claiming = false;
        running += static_cast<int64_t>(result->workflows.size());
        for (const ClaimedWorkflow& claimed : result->workflows) {
          Finish({.workflow_id = claimed.workflow.id, .owner_token = claimed.owner_token}, [&] {
            if (finished++ == 0) first_ns = clock_.MonotonicNs() - begin_ns;
            --running;
            claim();
          });
        }
        claim();
      });
    };
    claim();
    while (finished < count) reactor_.RunOnce(kNanosPerSecond);
    std::printf(
        "drain:         %8.0f workflows/s, first result after %.1f ms\n",
        static_cast<double>(count) * 1e9 / static_cast<double>(clock_.MonotonicNs() - begin_ns),
        static_cast<double>(first_ns) / 1e6);
  }

  static void PrintPercentiles(std::vector<int64_t>& latencies) {
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](double part) {
      return static_cast<double>(
                 latencies[static_cast<size_t>(part * static_cast<double>(latencies.size() - 1))]) /
             1e6;
    };
    std::printf("  p50 %.3f ms  p99 %.3f ms\n", at(0.5), at(0.99));
  }

 private:
  static void PrintBatches(const WriterStats& before, const WriterStats& after) {
    std::printf("      batches of");
    for (size_t i = 0; i < after.batches_by_size.size(); ++i) {
      const int64_t count = after.batches_by_size[i] - before.batches_by_size[i];
      if (count > 0) std::printf("  %d+: %ld", 1 << i, static_cast<long>(count));
    }
    std::printf("\n");
  }

  SystemClock clock_;
  EpollReactor reactor_;
  std::unique_ptr<PostgresJournal> journal_;
  int64_t next_ = 0;
};

// What no journal can beat: one row, one commit, one round trip.
void MeasureBareCommit(const std::string& uri) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri);
  HF_ASSERT(session.ok());
  HF_ASSERT(session->Execute("CREATE TABLE public.bare (id text PRIMARY KEY, v text)").ok());
  const SystemClock clock;
  std::vector<int64_t> latencies;
  for (int i = 0; i < 2'000; ++i) {
    const int64_t begin_ns = clock.MonotonicNs();
    const std::string sql = "INSERT INTO public.bare VALUES ('" + std::to_string(i) + "', 'x')";
    HF_ASSERT(session->Execute(sql).ok());
    latencies.push_back(clock.MonotonicNs() - begin_ns);
  }
  std::printf("bare INSERT; COMMIT                 ");
  Bench::PrintPercentiles(latencies);
}

void Run(int64_t count, int writer_count, int concurrency, int64_t spin_ns) {
  testing::PostgresCluster cluster;
  const std::string uri = cluster.CreateDatabase("bench");
  MeasureBareCommit(uri);
  Bench bench(uri, writer_count, spin_ns);
  bench.RunMany(200, 1);
  bench.RunMany(3'000, 1);
  bench.RunMany(count, concurrency);
  bench.RunMany(count, concurrency);
  bench.Drain(std::min<int64_t>(count, 20'000));
}

}  // namespace
}  // namespace holdfast::workflows

int main(int argc, char** argv) {
  const auto number = [&](int index, int fallback) {
    return argc > index ? std::atoi(argv[index]) : fallback;
  };
  holdfast::workflows::Run(number(1, 30'000), number(2, 1), number(3, 100),
                           number(4, 0) * holdfast::kNanosPerMicro);
  return 0;
}
