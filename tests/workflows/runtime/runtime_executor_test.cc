// Executors: leases and what follows from losing them, queues and their limits, schedules, sweeps,
// retention, shutdown, and how quiet an idle one is. Several processes on one database in memory.
#include "simulated_process.h"

namespace holdfast::workflows {
namespace {

Task<absl::StatusOr<int>> Nap(Workflow& workflow, double seconds) {
  HF_CO_RETURN_IF_ERROR(workflow.Step("before", [] { return 1; }));
  HF_CO_RETURN_IF_ERROR(workflow.Sleep(seconds));
  HF_CO_RETURN_IF_ERROR(workflow.Step("after", [] { return 1; }));
  co_return 1;
}

RuntimeOptions Executor(std::string id) {
  RuntimeOptions options;
  options.executor_id = std::move(id);
  options.lease_ttl_s = 3;
  return options;
}

QueueConfig Queue(std::string name) {
  QueueConfig queue;
  queue.name = std::move(name);
  return queue;
}

const Process::Setup kNaps = [](Runtime& runtime) {
  runtime.Register("nap", &Nap);
  runtime.RegisterQueue(Queue("q"));
};

TEST_CASE("lease: the successor of a process that died waits for the lease to end",
          "[workflows][executor]") {
  World world;
  {
    Process process(world, kNaps, Executor("a"), 1);
    process.Launch();
    process.Start("nap", "w", 10.0);
    world.reactor.RunFor(kNanosPerMilli);
  }
  const int64_t before = world.clock.MonotonicNs();
  Process process(world, kNaps, Executor("a"), 2);
  process.Launch();
  const double waited_s = static_cast<double>(world.clock.MonotonicNs() - before) * 1e-9;
  CHECK(waited_s > 2.9);
  CHECK(waited_s < 3.5);
  CHECK(process.Result<int>("w").value() == 1);
}

TEST_CASE("lease: a clean shutdown gives it back and leaves the work for the next start",
          "[workflows][executor]") {
  World world;
  {
    Process process(world, kNaps, Executor("a"), 1);
    process.Launch();
    process.Start("nap", "w", 10.0);
    world.reactor.RunFor(kNanosPerMilli);
    bool is_down = false;
    process.runtime().Shutdown([&](absl::Status status) { is_down = status.ok(); });
    REQUIRE(world.reactor.RunUntil([&] { return is_down; }, 1'000));
    CHECK(process.runtime().stats().run_count == 0);
    CHECK(StatusOf(world, "w") == "PENDING");
    CHECK(absl::IsUnavailable(process.TryStart("nap", {}, 1.0).status()));
  }
  const int64_t before = world.clock.MonotonicNs();
  Process process(world, kNaps, Executor("a"), 2);
  process.Launch();
  CHECK(world.clock.MonotonicNs() - before < kNanosPerSecond);
  CHECK(process.Result<int>("w").value() == 1);
}

TEST_CASE("lease: another executor takes over what a dead one left", "[workflows][executor]") {
  World world;
  auto dead = std::make_unique<Process>(world, kNaps, Executor("a"), 1);
  dead->Launch();
  Process other(world, kNaps, Executor("b"), 2);
  other.Launch();
  dead->Start("nap", "w", 1.0);
  world.reactor.RunFor(kNanosPerMilli);
  const int64_t before = world.clock.MonotonicNs();
  dead.reset();
  CHECK(other.Result<int>("w").value() == 1);
  CHECK(world.clock.MonotonicNs() - before < 8 * kNanosPerSecond);
  CHECK(world.database.GetWorkflow("w", false)->executor_id == "b");
}

TEST_CASE("lease: an executor cut off past its lease drops its runs and comes back",
          "[workflows][executor]") {
  World world;
  Process cut(world, kNaps, Executor("a"), 1);
  cut.Launch();
  Process other(world, kNaps, Executor("b"), 2);
  other.Launch();
  cut.Start("nap", "w", 20.0);
  world.reactor.RunFor(kNanosPerMilli);
  cut.journal().SetAvailable(false);
  CHECK(
      world.reactor.RunUntil([&] { return other.runtime().stats().claimed_count == 1; }, 100'000));
  CHECK(cut.runtime().stats().run_count == 1);
  cut.journal().SetAvailable(true);
  CHECK(other.Result<int>("w").value() == 1);
  world.reactor.RunFor(10 * kNanosPerSecond);
  CHECK(cut.runtime().stats().lease_loss_count == 1);
  CHECK(cut.runtime().stats().run_count == 0);
  CHECK(cut.runtime().stats().holds_lease);
  CHECK(StepLines(world, "w").size() == 3);
  cut.Start("nap", "x", 1.0);
  CHECK(cut.Result<int>("x").value() == 1);
}

TEST_CASE("lease: a process that was frozen past it starts no effect", "[workflows][executor]") {
  World world;
  int effects = 0;
  const auto setup = [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(1));
      HF_CO_ASSIGN_OR_RETURN(int n, workflow.Step("effect", [&] { return ++effects; }));
      co_return n;
    });
  };
  auto frozen = std::make_unique<Process>(world, setup, Executor("a"), 1);
  frozen->Launch();
  frozen->Start("w", "w");
  world.reactor.RunFor(kNanosPerMilli);
  // Nothing runs while the clock goes on: all timers are late when the process wakes up.
  world.clock.Advance(60 * kNanosPerSecond);
  world.reactor.RunOnce(0);
  world.reactor.RunOnce(0);
  CHECK(effects == 0);
  CHECK(frozen->Result<int>("w").value() == 1);
  CHECK(frozen->runtime().stats().lease_loss_count == 1);
  CHECK(effects == 1);
}

TEST_CASE("lease: starts wait for it, and fail when the runtime goes down first",
          "[workflows][executor]") {
  World world;
  Process first(world, kNaps, Executor("a"), 1);
  first.Launch();
  Process second(world, kNaps, Executor("a"), 2);
  second.runtime().Launch([](absl::Status) {});
  absl::Status status;
  second.runtime().Start(
      "nap", {}, "{\"positionalArgs\":[1]}",
      [&](absl::StatusOr<StartedWorkflow> started) { status = started.status(); });
  world.reactor.RunFor(kNanosPerSecond);
  CHECK(second.runtime().stats().waiting_start_count == 1);
  bool is_down = false;
  second.runtime().Shutdown([&](absl::Status) { is_down = true; });
  world.reactor.RunFor(kNanosPerSecond);
  CHECK(is_down);
  CHECK(absl::IsUnavailable(status));
}

TEST_CASE("drain: it waits for what runs, but not for ever", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  process.Start("nap", "short", 5.0);
  process.Start("nap", "long", 500.0);
  bool is_down = false;
  const int64_t before = world.clock.MonotonicNs();
  process.runtime().Drain(30, [&](absl::Status) { is_down = true; });
  CHECK(world.reactor.RunUntil([&] { return is_down; }, 100'000));
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerSecond == 30);
  CHECK(StatusOf(world, "short") == "SUCCESS");
  CHECK(StatusOf(world, "long") == "PENDING");
}

TEST_CASE("data loss: every run is dropped and read again", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  process.Start("nap", "w", 5.0);
  world.reactor.RunFor(kNanosPerMilli);
  process.spy().listener().OnDataLoss("a standby was behind");
  CHECK(process.Result<int>("w").value() == 1);
  CHECK(process.runtime().stats().lease_loss_count == 1);
  CHECK(process.observer.lines == Lines{"lease lost 1"});
}

TEST_CASE("queue: what this process enqueues is claimed at once", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  process.Enqueue("q", "nap", "w", 0.0);
  CHECK(process.Result<int>("w").value() == 1);
  CHECK(world.clock.MonotonicNs() - before < 100 * kNanosPerMilli);
}

TEST_CASE("queue: work enqueued by a client is found by news, and without news by looking",
          "[workflows][executor]") {
  for (const uint32_t lost : {0u, 1u}) {
    World world;
    MemoryJournalOptions options;
    options.lost_news_one_in = lost;
    Process worker(world, kNaps, Executor("a"), 1, options);
    worker.Launch();
    Process client(world, kNaps, Executor("b"), 2, options);
    world.reactor.RunFor(10 * kNanosPerSecond);
    const int64_t before = world.clock.MonotonicNs();
    client.Enqueue("q", "nap", "w", 0.0);
    CHECK(client.Result<int>("w").value() == 1);
    CHECK(world.clock.MonotonicNs() - before < (lost == 0 ? kNanosPerSecond : 4 * kNanosPerSecond));
  }
}

TEST_CASE("queue: worker concurrency bounds what runs here, and the next one follows at once",
          "[workflows][executor]") {
  World world;
  size_t most = 0;
  Process process(
      world,
      [](Runtime& runtime) {
        runtime.Register("nap", &Nap);
        QueueConfig queue = Queue("q");
        queue.worker_concurrency = 3;
        runtime.RegisterQueue(queue);
      },
      Executor("a"), 1);
  process.Launch();
  for (int i = 0; i < 12; ++i) process.Enqueue("q", "nap", "w" + std::to_string(i), 10.0);
  const int64_t before = world.clock.MonotonicNs();
  CHECK(world.reactor.RunUntil(
      [&] {
        most = std::max(most, process.runtime().stats().run_count);
        return process.runtime().stats().succeeded_count == 12;
      },
      100'000));
  CHECK(most == 3);
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerSecond <= 41);
}

TEST_CASE("queue: a backlog is worked off in bounded memory", "[workflows][executor]") {
  World world;
  RuntimeOptions options = Executor("a");
  options.claimed_run_count_max = 40;
  size_t most = 0;
  Process process(world, kNaps, options, 1);
  process.Launch();
  for (int i = 0; i < 400; ++i) process.Enqueue("q", "nap", "w" + std::to_string(i), 0.5);
  CHECK(world.reactor.RunUntil(
      [&] {
        most = std::max(most, process.runtime().stats().run_count);
        return process.runtime().stats().succeeded_count == 400;
      },
      100'000));
  CHECK(most <= 40);
}

TEST_CASE("queue: delayed work starts when its delay is over", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  world.reactor.RunFor(kNanosPerSecond);
  const int64_t before = world.clock.MonotonicNs();
  REQUIRE(process.TryEnqueue("q", "nap", {.id = "w", .delay_s = 1.5}, 0.0).ok());
  CHECK(StatusOf(world, "w") == "DELAYED");
  CHECK(process.Result<int>("w").value() == 1);
  const int64_t took_ms = (world.clock.MonotonicNs() - before) / kNanosPerMilli;
  CHECK(took_ms >= 1'500);
  CHECK(took_ms < 1'700);
}

TEST_CASE("queue: a deduplication id is taken until its workflow ends", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  REQUIRE(process.TryEnqueue("q", "nap", {.id = "a", .deduplication_id = "d"}, 5.0).ok());
  const absl::Status refused =
      process.TryEnqueue("q", "nap", {.id = "b", .deduplication_id = "d"}, 5.0).status();
  CHECK(absl::IsAlreadyExists(refused));
  CHECK(WorkflowErrorFromStatus(refused).name == "DBOSQueueDuplicatedError");
  CHECK(process.Result<int>("a").value() == 1);
  CHECK(process.TryEnqueue("q", "nap", {.id = "b", .deduplication_id = "d"}, 5.0).ok());
}

TEST_CASE("queue: names that nobody here knows are left alone", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  process.Enqueue("q", "somebody else's", "w");
  world.reactor.RunFor(60 * kNanosPerSecond);
  CHECK(StatusOf(world, "w") == "ENQUEUED");
}

TEST_CASE("versions: enqueued work without one goes to the latest", "[workflows][executor]") {
  World world;
  RuntimeOptions old_version = Executor("old");
  RuntimeOptions new_version = Executor("new");
  old_version.application_version = "1";
  new_version.application_version = "2";
  Process old_process(world, kNaps, old_version, 1);
  old_process.Launch();
  world.reactor.RunFor(kNanosPerSecond);
  Process new_process(world, kNaps, new_version, 2);
  new_process.Launch();
  world.reactor.RunFor(40 * kNanosPerSecond);
  old_process.Enqueue("q", "nap", "w", 0.0);
  CHECK(old_process.Result<int>("w").value() == 1);
  CHECK(world.database.GetWorkflow("w", false)->executor_id == "new");
  REQUIRE(new_process.TryEnqueue("q", "nap", {.id = "v1", .application_version = "1"}, 0.0).ok());
  CHECK(new_process.Result<int>("v1").value() == 1);
  CHECK(world.database.GetWorkflow("v1", false)->executor_id == "old");
}

TEST_CASE("retention: old ended workflows go in batches, running ones stay",
          "[workflows][executor]") {
  World world;
  RuntimeOptions options = Executor("a");
  options.retention.completed_older_than_s = 100;
  options.retention.interval_s = 10;
  options.retention.batch_rows = 3;
  Process process(world, kNaps, options, 1);
  process.Launch();
  for (int i = 0; i < 10; ++i) process.Start("nap", "w" + std::to_string(i), 0.0);
  process.Start("nap", "long", 1'000.0);
  world.reactor.RunFor(90 * kNanosPerSecond);
  CHECK(world.database.workflow_count() == 11);
  world.reactor.RunFor(30 * kNanosPerSecond);
  CHECK(world.database.workflow_count() == 1);
}

// ---- Schedules ----------------------------------------------------------------------------------

ScheduleRecord Schedule(std::string name, std::string cron) {
  ScheduleRecord schedule;
  schedule.id = name;
  schedule.name = std::move(name);
  schedule.workflow_name = "tick";
  schedule.cron = std::move(cron);
  schedule.context = "{\"size\":2}";
  return schedule;
}

struct Ticks {
  Lines times;
  Process::Setup Setup() {
    return [this](Runtime& runtime) {
      runtime.Register(
          "tick",
          [this](Workflow& workflow, std::string time, Json context) -> Task<absl::StatusOr<int>> {
            HF_CO_RETURN_IF_ERROR(workflow.Step("tick", [this, time] {
              times.push_back(time);
              return 1;
            }));
            co_return context["size"].get<int>();
          });
    };
  }
};

TEST_CASE("schedule: it fires at its times, once however many executors fire it",
          "[workflows][executor]") {
  World world;
  Ticks ticks;
  world.database.UpsertSchedule(Schedule("s", "* * * * *"));
  Process a(world, ticks.Setup(), Executor("a"), 1);
  a.Launch();
  Process b(world, ticks.Setup(), Executor("b"), 2);
  b.Launch();
  world.reactor.RunFor(180 * kNanosPerSecond);  // from 22:13:20 on
  CHECK(ticks.times ==
        Lines{"2023-11-14T22:14:00.000Z", "2023-11-14T22:15:00.000Z", "2023-11-14T22:16:00.000Z"});
  CHECK(StatusOf(world, "sched-s-2023-11-14T22:14:00.000Z") == "SUCCESS");
  CHECK(world.database.ListSchedules()[0].last_fired_at == "2023-11-14T22:16:00.000Z");
}

TEST_CASE("schedule: a paused one is quiet, a resumed one goes on", "[workflows][executor]") {
  World world;
  Ticks ticks;
  world.database.UpsertSchedule(Schedule("s", "* * * * *"));
  Process process(world, ticks.Setup(), Executor("a"), 1);
  process.Launch();
  world.reactor.RunFor(70 * kNanosPerSecond);
  REQUIRE(ticks.times.size() == 1);
  REQUIRE(world.database.SetScheduleStatus("s", ScheduleStatus::kPaused).ok());
  process.runtime().Refresh();
  world.reactor.RunFor(120 * kNanosPerSecond);
  CHECK(ticks.times.size() == 1);
  REQUIRE(world.database.SetScheduleStatus("s", ScheduleStatus::kActive).ok());
  process.runtime().Refresh();
  world.reactor.RunFor(120 * kNanosPerSecond);
  CHECK(ticks.times.size() == 3);
}

TEST_CASE("schedule: what was missed is made up for where backfill is on",
          "[workflows][executor]") {
  for (const bool is_backfilled : {true, false}) {
    World world;
    Ticks ticks;
    ScheduleRecord schedule = Schedule("s", "*/10 * * * *");
    schedule.is_backfilled = is_backfilled;
    schedule.last_fired_at = "2023-11-14T21:30:00.000Z";
    world.database.UpsertSchedule(schedule);
    RuntimeOptions options = Executor("a");
    options.backfill_count_max = 2;
    Process process(world, ticks.Setup(), options, 1);
    process.Launch();
    world.reactor.RunFor(90 * kNanosPerSecond);
    const Lines missed = {"2023-11-14T21:40:00.000Z", "2023-11-14T21:50:00.000Z",
                          "2023-11-14T22:00:00.000Z", "2023-11-14T22:10:00.000Z"};
    CHECK(ticks.times == (is_backfilled ? missed : Lines{}));
  }
}

TEST_CASE("schedule: it can be fired by hand; one that never fires is trouble, not a crash",
          "[workflows][executor]") {
  World world;
  Ticks ticks;
  world.database.UpsertSchedule(Schedule("s", "0 0 1 1 *"));
  world.database.UpsertSchedule(Schedule("bad", "every tuesday"));
  Process process(world, ticks.Setup(), Executor("a"), 1);
  process.Launch();
  absl::StatusOr<StartedWorkflow> started = absl::UnknownError("");
  process.runtime().TriggerSchedule("s", [&](auto answer) { started = std::move(answer); });
  absl::Status unknown;
  process.runtime().TriggerSchedule("none", [&](auto answer) { unknown = answer.status(); });
  world.reactor.RunFor(kNanosPerSecond);
  REQUIRE(started.ok());
  CHECK(process.Result<int>(started->id).value() == 2);
  CHECK(absl::IsNotFound(unknown));
  CHECK_FALSE(process.observer.lines.empty());
}

// ---- Quiet --------------------------------------------------------------------------------------

TEST_CASE("idle: an executor asks the database at most twice a second", "[workflows][executor]") {
  World world;
  Process process(world, kNaps, Executor("a"), 1);
  process.Launch();
  world.reactor.RunFor(60 * kNanosPerSecond);
  const int64_t before = process.spy().request_count();
  world.reactor.RunFor(600 * kNanosPerSecond);
  // Its lease is short here: a renewal each second instead of each five.
  const int64_t renewals = 600;
  CHECK(process.spy().request_count() - before - renewals <= 2 * 600 - 120);
}

}  // namespace
}  // namespace holdfast::workflows
