// Messages, events, streams and children between workflows, and their ends in time. On the journal
// in memory.
#include "simulated_process.h"

namespace holdfast::workflows {
namespace {

Task<absl::StatusOr<std::optional<std::string>>> Hear(Workflow& workflow, std::string topic,
                                                      double timeout_s) {
  HF_CO_ASSIGN_OR_RETURN(auto heard, workflow.Receive<std::string>(topic, timeout_s));
  co_return heard;
}
Task<absl::StatusOr<std::monostate>> Tell(Workflow& workflow, std::string to, std::string topic,
                                          std::string text) {
  HF_CO_RETURN_IF_ERROR(workflow.Send(to, text, topic));
  co_return std::monostate();
}
Task<absl::StatusOr<int>> Square(Workflow& workflow, int x) {
  HF_CO_ASSIGN_OR_RETURN(int y, workflow.Step("square", [x] { return x * x; }));
  co_return y;
}

void RegisterAll(Runtime& runtime) {
  runtime.Register("hear", &Hear);
  runtime.Register("tell", &Tell);
  runtime.Register("square", &Square);
  runtime.Register("slow", [](Workflow& workflow, double seconds) -> Task<absl::StatusOr<int>> {
    HF_CO_RETURN_IF_ERROR(workflow.Sleep(seconds));
    co_return 1;
  });
  runtime.Register("announce", [](Workflow& workflow, int a) -> Task<absl::StatusOr<int>> {
    HF_CO_RETURN_IF_ERROR(workflow.Sleep(1));
    HF_CO_RETURN_IF_ERROR(workflow.SetEvent("price", a));
    HF_CO_RETURN_IF_ERROR(workflow.SetEvent("price", a + 1));
    co_return a;
  });
  runtime.Register("watch",
                   [](Workflow& workflow, std::string id,
                      double timeout_s) -> Task<absl::StatusOr<std::optional<int>>> {
                     HF_CO_ASSIGN_OR_RETURN(auto price,
                                            workflow.GetEvent<int>(id, "price", timeout_s));
                     co_return price;
                   });
  runtime.Register("fail", [](Workflow&) -> Task<absl::StatusOr<int>> {
    co_return MakeWorkflowError("Oops", "child failed");
  });
}

TEST_CASE("messages: they arrive in order, each once, by topic", "[workflows][messages]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    RegisterAll(runtime);
    runtime.Register("three", [](Workflow& workflow) -> Task<absl::StatusOr<std::string>> {
      std::string all;
      for (int i = 0; i < 2; ++i) {
        HF_CO_ASSIGN_OR_RETURN(auto text, workflow.Receive<std::string>("a", 50));
        all += text.value_or("-");
      }
      HF_CO_ASSIGN_OR_RETURN(auto text, workflow.Receive<std::string>("b", 50));
      co_return all + text.value_or("-");
    });
  });
  process.Launch();
  process.Start("three", "w");
  process.Start("tell", "1", "w", "b", "3");
  CHECK(process.Result<std::monostate>("1").ok());
  process.Start("tell", "2", "w", "a", "1");
  CHECK(process.Result<std::monostate>("2").ok());
  process.Start("tell", "3", "w", "a", "2");
  CHECK(process.Result<std::string>("w").value() == "123");
}

TEST_CASE("messages: one that waits already is taken at once", "[workflows][messages]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("slow", "other", 100.0);
  process.Start("hear", "w", "a", 1000.0);
  process.Start("tell", "t", "w", "a", "hi");
  const int64_t before = world.clock.MonotonicNs();
  CHECK(process.Result<std::optional<std::string>>("w").value() == "hi");
  CHECK(world.clock.MonotonicNs() - before < kNanosPerSecond);
}

TEST_CASE("messages: with none in time there is nothing, and the wait is recorded",
          "[workflows][messages]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  process.Start("hear", "w", "a", 100.0);
  CHECK_FALSE(process.Result<std::optional<std::string>>("w").value().has_value());
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerSecond == 100);
  const Lines lines = StepLines(world, "w");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "0 DBOS.recv = null");
  CHECK(lines[1].starts_with("1 DBOS.sleep = "));
}

TEST_CASE("messages: without any waiting time it looks once", "[workflows][messages]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("hear", "w", "a", 0.0);
  CHECK_FALSE(process.Result<std::optional<std::string>>("w").value().has_value());
}

TEST_CASE("messages: to nobody is the step's recorded error", "[workflows][messages]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("tell", "w", "nobody", "a", "hi");
  const absl::Status error = process.Result<std::monostate>("w").status();
  CHECK(absl::IsNotFound(error));
  CHECK(WorkflowErrorFromStatus(error).name == "DBOSNonExistentWorkflowError");
  CHECK(world.database.ListSteps("w")[0].error.has_value());
}

TEST_CASE("messages: lost news costs time, not the message", "[workflows][messages]") {
  World world;
  MemoryJournalOptions deaf;
  deaf.lost_news_one_in = 1;
  Process process(world, RegisterAll, {}, 1, deaf);
  process.Launch();
  process.Start("hear", "w", "a", 1000.0);
  world.reactor.RunFor(kNanosPerSecond);
  process.Start("tell", "t", "w", "a", "hi");
  CHECK(process.Result<std::optional<std::string>>("w").value() == "hi");
}

TEST_CASE("events: a waiting reader gets the first value that it sees, a late one the latest",
          "[workflows][messages]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("watch", "early", "source", 60.0);
  process.Start("announce", "source", 7);
  CHECK(process.Result<int>("source").value() == 7);
  CHECK(process.Result<std::optional<int>>("early").value().has_value());
  process.Start("watch", "late", "source", 60.0);
  CHECK(process.Result<std::optional<int>>("late").value() == 8);
}

TEST_CASE("events: with none in time there is nothing", "[workflows][messages]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  process.Start("watch", "w", "nobody", 25.0);
  CHECK_FALSE(process.Result<std::optional<int>>("w").value().has_value());
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerSecond == 25);
}

TEST_CASE("children: they run under the parent's id and give their result or error",
          "[workflows][messages]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    RegisterAll(runtime);
    runtime.Register("parent", [](Workflow& workflow) -> Task<absl::StatusOr<std::string>> {
      HF_CO_ASSIGN_OR_RETURN(auto a, workflow.StartChild<int>("square", {}, 3));
      HF_CO_ASSIGN_OR_RETURN(auto b, workflow.StartChild<int>("fail", {}));
      HF_CO_AWAIT(auto unknown, workflow.StartChild<int>("no such workflow", {}));
      HF_CO_AWAIT(auto taken, workflow.StartChild<int>("square", {.id = workflow.id()}, 1));
      HF_CO_ASSIGN_OR_RETURN(int nine, a.Result());
      HF_CO_AWAIT(absl::StatusOr<int> failed, b.Result());
      HF_CO_ASSIGN_OR_RETURN(int again, a.Result());
      co_return a.id() + " " + std::to_string(nine + again) + " " +
          std::string(failed.status().message()) + " " +
          std::string(absl::StatusCodeToString(unknown.status().code())) + " " +
          std::string(absl::StatusCodeToString(taken.status().code()));
    });
  });
  process.Launch();
  process.Start("parent", "p");
  CHECK(process.Result<std::string>("p").value() == "p-0 18 child failed NOT_FOUND ALREADY_EXISTS");
  CHECK(world.database.GetWorkflow("p-0", false)->parent_workflow_id == "p");
  const Lines lines = StepLines(world, "p");
  REQUIRE(lines.size() == 7);
  CHECK(lines[0] == "0 square > p-0");
  CHECK(lines[1] == "1 DBOS.getResult = 9 > p-0");
  CHECK(lines[2] == "2 fail > p-2");
}

TEST_CASE("children: one that nobody waits for still runs", "[workflows][messages]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    RegisterAll(runtime);
    runtime.Register("parent", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      auto child = workflow.StartChild<int>("square", {}, 3);
      co_return 1;
    });
  });
  process.Launch();
  process.Start("parent", "p");
  CHECK(process.Result<int>("p").value() == 1);
  CHECK(process.Result<int>("p-0").value() == 9);
}

TEST_CASE("children: they inherit the deadline, and what is past it is canceled",
          "[workflows][messages]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    RegisterAll(runtime);
    runtime.Register("parent", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(auto child, workflow.StartChild<int>("slow", {}, 1000.0));
      HF_CO_ASSIGN_OR_RETURN(int value, child.Result());
      co_return value;
    });
  });
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  REQUIRE(process.TryStart("parent", {.id = "p", .timeout_s = 20}).ok());
  const absl::Status error = process.Result<int>("p").status();
  CHECK(absl::IsCancelled(error));
  CHECK(WorkflowErrorFromStatus(error).name == "DBOSAwaitedWorkflowCancelledError");
  CHECK(StatusOf(world, "p") == "CANCELLED");
  CHECK(StatusOf(world, "p-0") == "CANCELLED");
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerSecond == 20);
  CHECK(process.runtime().stats().run_count == 0);
}

TEST_CASE("children: with a queue they are enqueued", "[workflows][messages]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    RegisterAll(runtime);
    QueueConfig queue;
    queue.name = "q";
    runtime.RegisterQueue(queue);
    runtime.Register("parent", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(auto child,
                             workflow.StartChild<int>("square", {.queue_name = "q"}, 5));
      HF_CO_AWAIT(auto twin, workflow.StartChild<int>(
                                 "slow", {.queue_name = "q", .deduplication_id = "d"}, 1000.0));
      HF_CO_AWAIT(auto refused, workflow.StartChild<int>(
                                    "slow", {.queue_name = "q", .deduplication_id = "d"}, 1000.0));
      if (!twin.ok() || !absl::IsAlreadyExists(refused.status())) co_return 0;
      HF_CO_ASSIGN_OR_RETURN(int value, child.Result());
      co_return value;
    });
  });
  process.Launch();
  process.Start("parent", "p");
  CHECK(process.Result<int>("p").value() == 25);
  CHECK(world.database.GetWorkflow("p-0", false)->queue_name == "q");
}

TEST_CASE("cancel: a running workflow is dropped and its body told", "[workflows][messages]") {
  World world;
  CancellationToken token;
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      token = workflow.cancellation();
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(1e6));
      co_return 1;
    });
  });
  process.Launch();
  process.Start("w", "w");
  world.reactor.RunFor(kNanosPerMilli);
  CHECK(process.runtime().stats().run_count == 1);
  process.journal().Cancel({"w"}, true, [](absl::StatusOr<int64_t>) {});
  CHECK(absl::IsCancelled(process.Result<int>("w").status()));
  world.reactor.RunFor(kNanosPerMilli);
  CHECK(process.runtime().stats().run_count == 0);
  CHECK(token.is_canceled());
}

TEST_CASE("resume: a canceled workflow goes on from its last step", "[workflows][messages]") {
  World world;
  int runs = 0;
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(int one, workflow.Step("one", [&] { return ++runs; }));
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(5));
      co_return one;
    });
  });
  process.Launch();
  process.Start("w", "w");
  world.reactor.RunFor(kNanosPerSecond);
  process.journal().Cancel({"w"}, false, [](absl::StatusOr<int64_t>) {});
  CHECK(absl::IsCancelled(process.Result<int>("w").status()));
  process.journal().Resume({"w"}, std::nullopt, [](absl::StatusOr<int64_t>) {});
  world.reactor.RunFor(kNanosPerSecond);
  CHECK(process.Result<int>("w").value() == 1);
  CHECK(runs == 1);
}

}  // namespace
}  // namespace holdfast::workflows
