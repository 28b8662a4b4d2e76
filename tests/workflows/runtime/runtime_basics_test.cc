// A workflow's life on one executor: its steps run once, in order, and are recorded; what fails is
// an error and not the end of the process. On the journal in memory, with a stepped clock.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "simulated_process.h"

namespace holdfast::workflows {
namespace {

Task<absl::StatusOr<int>> Sum(Workflow& workflow, int a, int b) {
  HF_CO_ASSIGN_OR_RETURN(int sum, workflow.Step<int>("add", [a, b] { return a + b; }));
  HF_CO_ASSIGN_OR_RETURN(int doubled, workflow.Step("double", [sum] { return 2 * sum; }));
  co_return doubled;
}

Task<absl::StatusOr<std::string>> Greet(Workflow& workflow, std::string name,
                                        std::optional<int> times) {
  HF_CO_ASSIGN_OR_RETURN(std::string text,
                         workflow.Step("greet", [name] { return "hello " + name; }));
  co_return text + " x" + std::to_string(times.value_or(1));
}

Task<absl::StatusOr<std::monostate>> FailWith(Workflow&, std::string message) {
  co_return MakeWorkflowError("ValueError", message, int64_t{42}, Json{{"retryable", false}});
}

Task<absl::StatusOr<std::monostate>> Throw(Workflow&) {
  throw std::runtime_error("out of cheese");
  co_return std::monostate();
}

Task<absl::StatusOr<double>> GiveNan(Workflow&) {
  co_return std::numeric_limits<double>::quiet_NaN();
}

Task<absl::StatusOr<std::string>> StepFails(Workflow& workflow) {
  HF_CO_AWAIT(absl::StatusOr<int> thrown,
              workflow.Step("throws", []() -> int { throw std::runtime_error("bang"); }));
  HF_CO_AWAIT(absl::StatusOr<double> nan,
              workflow.Step("nan", [] { return std::numeric_limits<double>::infinity(); }));
  HF_CO_AWAIT(absl::StatusOr<std::monostate> refused,
              workflow.Step("refused", [] { return absl::NotFoundError("no such thing"); }));
  co_return std::string(thrown.status().message()) + "|" +
      std::string(absl::IsInvalidArgument(nan.status()) ? "nan refused" : "?") + "|" +
      std::string(refused.status().message());
}

struct NeverReady {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};
Task<absl::StatusOr<int>> AwaitsSomethingElse(Workflow&) {
  NeverReady never;
  co_await never;
  co_return 1;
}

void RegisterAll(Runtime& runtime) {
  runtime.Register("sum", &Sum);
  runtime.Register("greet", &Greet);
  runtime.Register("fail", &FailWith);
  runtime.Register("throw", &Throw);
  runtime.Register("nan", &GiveNan);
  runtime.Register("step_fails", &StepFails);
  runtime.Register("foreign", &AwaitsSomethingElse);
  runtime.Register("lambda", [factor = 3](Workflow&, int x) -> Task<absl::StatusOr<int>> {
    co_return factor* x;
  });
}

TEST_CASE("runtime: a workflow's steps are recorded in order and its output is the result",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("sum", "w", 2, 3);
  CHECK(process.Result<int>("w").value() == 10);
  CHECK(StepLines(world, "w") == Lines{"0 add = 5", "1 double = 10"});
  CHECK(StatusOf(world, "w") == "SUCCESS");
  CHECK(world.database.GetWorkflow("w", true)->output == "10");
  const RuntimeStats stats = process.runtime().stats();
  CHECK(stats.started_count == 1);
  CHECK(stats.succeeded_count == 1);
  CHECK(stats.run_count == 0);
}

TEST_CASE("runtime: callable objects, text inputs and missing optional inputs work",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("greet", "one", "Ada");
  process.Start("greet", "two", "Ada", 2);
  process.Start("lambda", "three", 14);
  CHECK(process.Result<std::string>("one").value() == "hello Ada x1");
  CHECK(process.Result<std::string>("two").value() == "hello Ada x2");
  CHECK(process.Result<int>("three").value() == 42);
}

TEST_CASE("runtime: the start, and then the last step with the end, are two commits",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("greet", "w", "Ada");
  CHECK(StatusOf(world, "w") == "PENDING");
  CHECK(StepLines(world, "w").empty());
  while (StepLines(world, "w").empty()) world.reactor.RunOnce(0);
  CHECK(StatusOf(world, "w") == "SUCCESS");
}

TEST_CASE("runtime: a workflow's error is recorded and given to whoever waits",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("fail", "w", "too small");
  const absl::Status error = process.Result<std::monostate>("w").status();
  CHECK(WorkflowErrorFromStatus(error).name == "ValueError");
  CHECK(WorkflowErrorFromStatus(error).code == ErrorCode(int64_t{42}));
  CHECK(StatusOf(world, "w") == "ERROR");
  CHECK(world.database.GetWorkflow("w", true)->error ==
        R"({"name":"ValueError","message":"too small","code":42,"data":{"retryable":false}})");
  CHECK(process.runtime().stats().failed_count == 1);
}

TEST_CASE("runtime: exceptions and values that cannot be written end a workflow in error",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("throw", "thrown");
  process.Start("nan", "nan");
  CHECK(process.Result<std::monostate>("thrown").status().message() == "out of cheese");
  CHECK(absl::IsInvalidArgument(process.Result<double>("nan").status()));
  CHECK(StatusOf(world, "nan") == "ERROR");
}

TEST_CASE("runtime: a step's exception, unwritable value or status is its recorded error",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("step_fails", "w");
  CHECK(process.Result<std::string>("w").value() == "bang|nan refused|no such thing");
  const std::vector<StepRecord> steps = world.database.ListSteps("w");
  REQUIRE(steps.size() == 3);
  for (const StepRecord& step : steps) {
    CHECK(step.error.has_value());
    CHECK_FALSE(step.output.has_value());
  }
}

TEST_CASE("runtime: a second start of an id is the same workflow", "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("sum", "w", 2, 3);
  const auto again = process.TryStart("sum", {.id = "w"}, 50, 50);
  REQUIRE(again.ok());
  CHECK(again->outcome == StartOutcome::kExists);
  CHECK(process.Result<int>("w").value() == 10);
  const auto other = process.TryStart("greet", {.id = "w"}, "Ada");
  CHECK(absl::IsAlreadyExists(other.status()));
  CHECK(WorkflowErrorFromStatus(other.status()).name == "DBOSConflictingWorkflowError");
}

TEST_CASE("runtime: workflows without an id get one of their own", "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  const auto a = process.TryStart("sum", {}, 1, 1);
  const auto b = process.TryStart("sum", {}, 2, 2);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(a->id.size() == 36);
  CHECK(a->id != b->id);
  CHECK(process.Result<int>(b->id).value() == 8);
}

TEST_CASE("runtime: starts that cannot be are refused at once", "[workflows][runtime]") {
  World world;
  RuntimeOptions options;
  options.run_count_max = 1;
  options.claimed_run_count_max = 1;
  Process process(
      world,
      [](Runtime& runtime) {
        RegisterAll(runtime);
        runtime.Register("wait", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
          HF_CO_RETURN_IF_ERROR(workflow.Sleep(1'000));
          co_return 1;
        });
      },
      options);
  CHECK(absl::IsFailedPrecondition(process.TryStart("sum", {}, 1, 2).status()));
  process.Launch();
  CHECK(absl::IsNotFound(process.TryStart("nobody", {}).status()));
  process.Start("wait", "w");
  CHECK(absl::IsResourceExhausted(process.TryStart("sum", {}, 1, 2).status()));
  CHECK(process.Result<int>("w").value() == 1);
  CHECK(process.TryStart("sum", {}, 1, 2).ok());
}

TEST_CASE("runtime: inputs that are not what the workflow takes park it", "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("sum", "text", "two", 3);
  process.Start("sum", "many", 1, 2, 3);
  CHECK_FALSE(process.Result<int>("text").ok());
  CHECK_FALSE(process.Result<int>("many").ok());
  CHECK(StatusOf(world, "text") == "MAX_RECOVERY_ATTEMPTS_EXCEEDED");
  CHECK(process.observer.lines == Lines{"parked text PoisonInput", "parked many PoisonInput"});
  CHECK(process.runtime().stats().parked_count == 2);
}

TEST_CASE("runtime: a workflow that waits for something else than its operations is parked",
          "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  process.Start("foreign", "w");
  CHECK_FALSE(process.Result<int>("w").ok());
  CHECK(process.observer.lines == Lines{"parked w ForeignAwait"});
}

TEST_CASE("runtime: waiting for a workflow that does not exist says so", "[workflows][runtime]") {
  World world;
  Process process(world, RegisterAll);
  process.Launch();
  CHECK(absl::IsNotFound(process.Result<int>("nobody").status()));
  CHECK(process.runtime().stats().result_waiter_count == 0);
}

TEST_CASE("runtime: what the database refuses ends the workflow as parked",
          "[workflows][runtime]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    runtime.Register("books", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      workflow.Record({"no such sink", "{}"});
      HF_CO_RETURN_IF_ERROR(workflow.Step("step", [] { return 1; }));
      co_return 1;
    });
  });
  process.Launch();
  process.Start("books", "w");
  CHECK(absl::IsInvalidArgument(process.Result<int>("w").status()));
  CHECK(process.observer.lines == Lines{"parked w RefusedByDatabase"});
  CHECK(StepLines(world, "w").empty());
}

TEST_CASE("options: what cannot be is named", "[workflows][runtime]") {
  CHECK(RuntimeOptions().Validate().ok());
  const auto refusal = [](auto change) {
    RuntimeOptions options;
    change(options);
    return std::string(options.Validate().message());
  };
  CHECK(refusal([](auto& o) { o.executor_id = ""; }) == "option executor_id: is empty");
  CHECK(refusal([](auto& o) { o.application_version = ""; }) ==
        "option application_version: is empty");
  CHECK(refusal([](auto& o) { o.lease_ttl_s = 0; }) == "option lease_ttl_s: is at least 0.1");
  CHECK(refusal([](auto& o) { o.lease_ttl_s = std::nan(""); }) ==
        "option lease_ttl_s: is at least 0.1");
  CHECK(refusal([](auto& o) { o.run_count_max = 0; }) == "option run_count_max: is at least 1");
  CHECK(refusal([](auto& o) { o.claimed_run_count_max = 1'000'000; }) ==
        "option claimed_run_count_max: is at most run_count_max");
  CHECK(refusal([](auto& o) { o.claim_batch_first = 0; }) ==
        "option claim_batch_first: is at least 1");
  CHECK(refusal([](auto& o) { o.claim_batch_max = 1; }) ==
        "option claim_batch_max: is at least claim_batch_first");
  CHECK(refusal([](auto& o) { o.retention.batch_rows = 0; }) ==
        "option retention.batch_rows: is at least 1");
  CHECK(refusal([](auto& o) { o.retention.keep_newest = -1; }) ==
        "option retention.keep_newest: is at least 0");
  CHECK(refusal([](auto& o) { o.sweep_interval_s = 0; }) ==
        "option sweep_interval_s: is at least 0.01");
}

}  // namespace
}  // namespace holdfast::workflows
