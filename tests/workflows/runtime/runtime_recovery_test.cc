// A process may die at any turn: the next one goes on where the journal ends, recorded steps do not
// run again, and code that does not fit its history is parked. Crashes are destroyed processes on
// one database in memory.
#include "simulated_process.h"

namespace holdfast::workflows {
namespace {

RuntimeOptions QuickLease() {
  RuntimeOptions options;
  options.lease_ttl_s = 1;
  return options;
}

// Runs every kind of operation and counts the bodies that ran.
struct Kitchen {
  std::map<std::string, int> runs;

  void Register(Runtime& runtime) {
    runtime.Register("child", [this](Workflow& workflow, int x) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(int y, workflow.Step("square", [this, x] {
        ++runs["square"];
        return x * x;
      }));
      co_return y;
    });
    runtime.Register("all", [this](Workflow& workflow) -> Task<absl::StatusOr<std::string>> {
      std::string log;
      const int64_t began_ms = workflow.NowMs();
      const std::string uuid = workflow.Uuid();
      workflow.Record({"book", "{\"began\":true}"});
      HF_CO_ASSIGN_OR_RETURN(std::string first, workflow.Step("first", [this, uuid] {
        ++runs["first"];
        return uuid;
      }));
      log += first == uuid ? "same uuid, " : "other uuid, ";
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(2));
      HF_CO_ASSIGN_OR_RETURN(auto child, workflow.StartChild<int>("child", {}, 7));
      HF_CO_RETURN_IF_ERROR(workflow.SetEvent("state", "half"));
      HF_CO_ASSIGN_OR_RETURN(int square, child.Result());
      log += std::to_string(square);
      HF_CO_RETURN_IF_ERROR(workflow.Send(workflow.id(), std::string("note"), "self"));
      HF_CO_ASSIGN_OR_RETURN(auto note, workflow.Receive<std::string>("self", 30));
      HF_CO_ASSIGN_OR_RETURN(auto event, workflow.GetEvent<std::string>(workflow.id(), "state"));
      log += ", " + note.value_or("no note") + ", " + event.value_or("no event");
      HF_CO_RETURN_IF_ERROR(workflow.WriteStream("out", 1));
      HF_CO_RETURN_IF_ERROR(workflow.CloseStream("out"));
      HF_CO_AWAIT(auto closed, workflow.WriteStream("out", 2));
      log += closed.ok() ? ", open" : ", closed";
      if (workflow.Patch("new")) log += ", patched";
      workflow.Record({"book", "{\"ended\":true}"});
      HF_CO_ASSIGN_OR_RETURN(int last, workflow.Step("last", [this] { return ++runs["last"]; }));
      co_return log + (last >= 1 && workflow.NowMs() >= began_ms ? ", done" : "");
    });
  }
};

constexpr char kAllDone[] = "same uuid, 49, note, half, closed, patched, done";

TEST_CASE("recovery: whichever turn the process dies in, the workflow ends once and the same",
          "[workflows][recovery]") {
  int64_t turn_count = 0;
  for (int64_t crash_turn = 0;; ++crash_turn) {
    World world;
    Kitchen kitchen;
    Lines book;
    world.database.RegisterSink("book", [&](const std::string& json) {
      book.push_back(json);
      return absl::OkStatus();
    });
    const auto setup = [&](Runtime& runtime) { kitchen.Register(runtime); };
    auto process = std::make_unique<Process>(world, setup, QuickLease(), 1);
    process->Launch();
    process->Start("all", "w");
    bool has_ended = false;
    for (int64_t turn = 0; turn < crash_turn && !has_ended; ++turn) {
      world.reactor.RunOnce(kNanosPerSecond);
      has_ended = StatusOf(world, "w") == "SUCCESS";
    }
    std::map<std::string, int> recorded;
    for (const StepRecord& step : world.database.ListSteps("w")) ++recorded[step.name];
    for (const StepRecord& step : world.database.ListSteps("w-5")) ++recorded[step.name];
    const std::map<std::string, int> runs_before = kitchen.runs;
    process.reset();
    process = std::make_unique<Process>(world, setup, QuickLease(), 2);
    process->Launch();
    const auto result = process->Result<std::string>("w");
    INFO("crash_turn=" << crash_turn << " " << result.status());
    REQUIRE(result.ok());
    CHECK(*result == kAllDone);
    CHECK(book == Lines{"{\"began\":true}", "{\"ended\":true}"});
    for (const auto& [name, runs] : runs_before) {
      if (recorded.contains(name)) CHECK(kitchen.runs[name] == runs);
    }
    CHECK(process->observer.lines.empty());
    world.database.CheckInvariants();
    if (has_ended) break;
    turn_count = crash_turn;
  }
  CHECK(turn_count > 20);
}

// Runs `before` until it waits at its gate, then recovers it with the code of `after`.
template <class Before, class After>
absl::StatusOr<int> ReplayWith(World& world, Before before, After after, Lines* lines = nullptr) {
  {
    Process process(
        world, [&](Runtime& runtime) { runtime.Register("w", before); }, QuickLease(), 1);
    process.Launch();
    process.Start("w", "w");
    world.reactor.RunFor(kNanosPerSecond);
    REQUIRE(StatusOf(world, "w") == "PENDING");
  }
  Process process(
      world, [&](Runtime& runtime) { runtime.Register("w", after); }, QuickLease(), 2);
  process.Launch();
  absl::StatusOr<int> result = process.Result<int>("w");
  if (lines != nullptr) *lines = process.observer.lines;
  CHECK(process.TryStart("w", {.id = "w"}).ok());  // the process is up
  return result;
}

Task<absl::StatusOr<int>> OneTwoGate(Workflow& workflow) {
  HF_CO_ASSIGN_OR_RETURN(int one, workflow.Step("one", [] { return 1; }));
  HF_CO_ASSIGN_OR_RETURN(int two, workflow.Step("two", [] { return 2; }));
  HF_CO_RETURN_IF_ERROR(workflow.Receive<int>("gate", 100));
  co_return one + two;
}

void CheckMismatch(const World& world, const absl::Status& status, const Lines& lines,
                   const Json& data) {
  INFO(status);
  CHECK(WorkflowErrorFromStatus(status).name == "ReplayMismatch");
  CHECK(WorkflowErrorFromStatus(status).data == data);
  CHECK(StatusOf(world, "w") == "MAX_RECOVERY_ATTEMPTS_EXCEEDED");
  CHECK(lines == Lines{"parked w ReplayMismatch"});
}

TEST_CASE("replay: a step of another name parks the workflow and names both",
          "[workflows][recovery]") {
  World world;
  Lines lines;
  const auto result = ReplayWith(
      world, &OneTwoGate,
      [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
        HF_CO_ASSIGN_OR_RETURN(int one, workflow.Step("one", [] { return 1; }));
        HF_CO_ASSIGN_OR_RETURN(int zwei, workflow.Step("zwei", [] { return 2; }));
        co_return one + zwei;
      },
      &lines);
  CheckMismatch(world, result.status(), lines,
                Json{{"function_id", 1}, {"recorded", "two"}, {"actual", "zwei"}});
}

TEST_CASE("replay: an end before the history's end parks the workflow", "[workflows][recovery]") {
  World world;
  Lines lines;
  const auto result = ReplayWith(
      world, &OneTwoGate,
      [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
        HF_CO_ASSIGN_OR_RETURN(int one, workflow.Step("one", [] { return 1; }));
        co_return one;
      },
      &lines);
  CheckMismatch(
      world, result.status(), lines,
      Json{{"function_id", 1}, {"recorded", "two"}, {"actual", "the end of the workflow"}});
}

TEST_CASE("replay: a wait that the history had passed without a row parks the workflow",
          "[workflows][recovery]") {
  World world;
  Lines lines;
  const auto result = ReplayWith(
      world,
      [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
        // Two at once: the second is recorded, the first is not.
        auto never = workflow.Receive<int>("never", 1'000);
        HF_CO_RETURN_IF_ERROR(workflow.Step("one", [] { return 1; }));
        HF_CO_RETURN_IF_ERROR(never);
        co_return 1;
      },
      [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
        HF_CO_RETURN_IF_ERROR(workflow.Receive<int>("never", 1'000));
        HF_CO_RETURN_IF_ERROR(workflow.Step("one", [] { return 1; }));
        co_return 1;
      },
      &lines);
  CheckMismatch(
      world, result.status(), lines,
      Json{{"function_id", 2}, {"recorded", "one"}, {"actual", "DBOS.recv (0), not recorded"}});
}

TEST_CASE("replay: an outcome of another type parks the workflow", "[workflows][recovery]") {
  World world;
  Lines lines;
  const auto result = ReplayWith(
      world, &OneTwoGate,
      [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
        HF_CO_ASSIGN_OR_RETURN(std::string one, workflow.Step("one", [] { return std::string(); }));
        co_return static_cast<int>(one.size());
      },
      &lines);
  CheckMismatch(world, result.status(), lines,
                Json{{"function_id", 0}, {"recorded", "one"}, {"actual", "one"}});
}

TEST_CASE("replay: a recorded error is the same error again", "[workflows][recovery]") {
  World world;
  std::vector<absl::Status> seen;
  const auto code = [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
    HF_CO_AWAIT(absl::StatusOr<int> failed, workflow.Step<int>("fails", [] {
      return absl::StatusOr<int>(MakeWorkflowError("Odd", "very", std::string("E7"), Json{{"a", 1}},
                                                   absl::StatusCode::kOutOfRange));
    }));
    seen.push_back(failed.status());
    HF_CO_RETURN_IF_ERROR(workflow.Sleep(5));
    co_return 3;
  };
  CHECK(ReplayWith(world, code, code).value() == 3);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] == seen[1]);
  CHECK(absl::IsOutOfRange(seen[0]));
}

TEST_CASE("patch: a run that came past before the change keeps the old branch and its ids",
          "[workflows][recovery]") {
  World world;
  const auto patched = [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
    HF_CO_ASSIGN_OR_RETURN(int one, workflow.Step("one", [] { return 1; }));
    if (workflow.Patch("fix")) {
      HF_CO_ASSIGN_OR_RETURN(int fixed, workflow.Step("fixed", [] { return 100; }));
      co_return fixed;
    }
    HF_CO_ASSIGN_OR_RETURN(int two, workflow.Step("two", [] { return 2; }));
    HF_CO_RETURN_IF_ERROR(workflow.Receive<int>("gate", 100));
    co_return one + two;
  };
  CHECK(ReplayWith(world, &OneTwoGate, patched).value() == 3);
  Process process(
      world, [&](Runtime& runtime) { runtime.Register("w", patched); }, QuickLease(), 3);
  process.Launch();
  process.Start("w", "fresh");
  CHECK(process.Result<int>("fresh").value() == 100);
  CHECK(StepLines(world, "fresh") ==
        Lines{"0 one = 1", "1 DBOS.patch-fix = true", "2 fixed = 100"});
}

TEST_CASE("replay: a sleep waits for the rest of its time", "[workflows][recovery]") {
  World world;
  const auto code = [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
    HF_CO_RETURN_IF_ERROR(workflow.Sleep(10));
    co_return 1;
  };
  const int64_t before = world.clock.MonotonicNs();
  CHECK(ReplayWith(world, code, code).value() == 1);
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerSecond == 10);
}

TEST_CASE("recovery: rows that cannot be read are parked, once", "[workflows][recovery]") {
  World world;
  const ExecutorIdentity dead{"local", "dead", "", "1", "", 0};
  REQUIRE(world.database.RegisterExecutor(dead, 1'000).ok());
  const auto insert = [&](const std::string& id, const std::string& inputs,
                          const std::string& serialization) {
    NewWorkflow workflow;
    workflow.id = id;
    workflow.name = "w";
    workflow.inputs = inputs;
    workflow.serialization = serialization;
    workflow.owner_token = "dead-1";
    REQUIRE(world.database.Start(&dead, StartRequest{workflow, {}}).ok());
  };
  insert("broken", "{not json", "portable_json");
  insert("pickle", "gASVBQAAAAAAAABLAYUulC4=", "py_pickle");
  insert("wrong", R"({"positionalArgs":["x"]})", "portable_json");
  insert("native", R"({"json":[],"__dbos_serializer":"superjson"})", "js_superjson");
  Process process(
      world, [](Runtime& runtime) { runtime.Register("w", &OneTwoGate); }, QuickLease(), 2);
  process.Launch();
  for (const char* id : {"broken", "pickle", "wrong"}) {
    const absl::Status error = process.Result<int>(id).status();
    CHECK(WorkflowErrorFromStatus(error).name == "PoisonInput");
    CHECK(StatusOf(world, id) == "MAX_RECOVERY_ATTEMPTS_EXCEEDED");
  }
  CHECK(process.Result<int>("native").value() == 3);
  CHECK(world.database.GetWorkflow("native", true)->output ==
        R"({"json":3,"__dbos_serializer":"superjson"})");
}

TEST_CASE("recovery: a workflow that is claimed too often becomes a dead letter",
          "[workflows][recovery]") {
  World world;
  RuntimeOptions options = QuickLease();
  options.recovery_attempts_max = 3;
  const auto setup = [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(1e6));
      co_return 1;
    });
  };
  {
    Process process(world, setup, options, 1);
    process.Launch();
    process.Start("w", "w");
  }
  uint64_t seed = 2;
  while (StatusOf(world, "w") == "PENDING" && seed < 10) {
    Process process(world, setup, options, seed++);
    process.Launch();
    world.reactor.RunFor(kNanosPerMilli);
    if (StatusOf(world, "w") != "PENDING") {
      CHECK(process.runtime().stats().dead_letter_count == 1);
      CHECK(process.observer.lines == Lines{"dead letters 1"});
    }
  }
  CHECK(StatusOf(world, "w") == "MAX_RECOVERY_ATTEMPTS_EXCEEDED");
  CHECK(seed <= 6);
}

TEST_CASE("overload: a commit that the journal has no room for is made again",
          "[workflows][recovery]") {
  World world;
  int runs = 0;
  MemoryJournalOptions narrow;
  narrow.waiting_write_count_max = 5;
  narrow.request_delay_ns_max = kNanosPerMilli;
  Process process(
      world,
      [&](Runtime& runtime) {
        runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
          HF_CO_RETURN_IF_ERROR(workflow.SleepUntil(1'700'000'020'000));
          HF_CO_RETURN_IF_ERROR(workflow.Step("once", [&] { return ++runs; }));
          HF_CO_RETURN_IF_ERROR(workflow.Step("more", [] { return 1; }));
          co_return 1;
        });
      },
      {}, 1, narrow);
  process.Launch();
  for (int i = 0; i < 20; ++i) process.Start("w", "w" + std::to_string(i));
  for (int i = 0; i < 20; ++i) CHECK(process.Result<int>("w" + std::to_string(i)).value() == 1);
  CHECK(runs == 20);
  CHECK(process.runtime().stats().lease_loss_count == 0);
}

TEST_CASE("recovery: many workflows come back in bounded memory", "[workflows][recovery]") {
  World world;
  RuntimeOptions options = QuickLease();
  options.claimed_run_count_max = 50;
  options.claim_batch_first = 4;
  size_t most = 0;
  const auto setup = [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_RETURN_IF_ERROR(workflow.Step("a", [] { return 1; }));
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(3));
      HF_CO_RETURN_IF_ERROR(workflow.Step("b", [] { return 1; }));
      co_return 1;
    });
  };
  {
    Process process(world, setup, options, 1);
    process.Launch();
    for (int i = 0; i < 300; ++i) process.Start("w", "w" + std::to_string(i));
    world.reactor.RunFor(kNanosPerMilli);
  }
  Process process(world, setup, options, 2);
  process.Launch();
  const bool all_done = world.reactor.RunUntil(
      [&] {
        most = std::max(most, process.runtime().stats().run_count);
        return process.runtime().stats().succeeded_count == 300;
      },
      200'000);
  CHECK(all_done);
  CHECK(most == 50);
}

}  // namespace
}  // namespace holdfast::workflows
