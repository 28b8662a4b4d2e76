// Steps: attempts and their pauses, timeouts, bodies on the pool and bodies that are coroutines,
// rows that ride along, several operations under way. On virtual time.
#include <limits>
#include <stdexcept>

#include "simulated_process.h"

namespace holdfast::workflows {
namespace {

// Attempt times of a failing step, in milliseconds since its first.
struct Attempts {
  const Clock* clock;
  std::vector<int64_t> times_ms;
  int succeed_at = 0;  // attempt that succeeds; 0: none

  absl::StatusOr<int> Try() {
    times_ms.push_back(clock->MonotonicNs() / kNanosPerMilli);
    if (static_cast<int>(times_ms.size()) == succeed_at) return succeed_at;
    return absl::UnavailableError("try again");
  }
  std::vector<int64_t> Pauses() const {
    std::vector<int64_t> pauses;
    for (size_t i = 1; i < times_ms.size(); ++i) pauses.push_back(times_ms[i] - times_ms[i - 1]);
    return pauses;
  }
};

absl::StatusOr<int> RunStep(World& world, StepOptions options, Attempts& attempts) {
  attempts.clock = &world.clock;
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(int value,
                             workflow.Step<int>("s", options, [&] { return attempts.Try(); }));
      co_return value;
    });
  });
  process.Launch();
  process.Start("w", "w");
  return process.Result<int>("w");
}

TEST_CASE("step: pauses between attempts grow by the rate up to the cap", "[workflows][step]") {
  World world;
  Attempts attempts{nullptr, {}, 5};
  const auto result = RunStep(
      world, {.max_attempts = 5, .interval_s = 0.1, .backoff_rate = 3, .interval_s_max = 0.5},
      attempts);
  CHECK(result.value() == 5);
  CHECK(attempts.Pauses() == std::vector<int64_t>{100, 300, 500, 500});
  CHECK(StepLines(world, "w") == Lines{"0 s = 5"});
}

TEST_CASE("step: when all attempts fail the step's error says so", "[workflows][step]") {
  World world;
  Attempts attempts{};
  const absl::Status error = RunStep(world, {.max_attempts = 3}, attempts).status();
  CHECK(attempts.times_ms.size() == 3);
  CHECK(WorkflowErrorFromStatus(error).name == "DBOSMaxStepRetriesError");
  CHECK(absl::IsUnavailable(error));
  CHECK(world.database.ListSteps("w").size() == 1);
}

TEST_CASE("step: one attempt is the default and its error is its own", "[workflows][step]") {
  World world;
  Attempts attempts{};
  CHECK(RunStep(world, {}, attempts).status() == absl::UnavailableError("try again"));
  CHECK(attempts.times_ms.size() == 1);
}

TEST_CASE("step: an error that is not worth it is not tried again", "[workflows][step]") {
  World world;
  Attempts attempts{};
  const auto result =
      RunStep(world, {.max_attempts = 9, .is_retryable = [](const absl::Status&) { return false; }},
              attempts);
  CHECK(result.status() == absl::UnavailableError("try again"));
  CHECK(attempts.times_ms.size() == 1);
}

TEST_CASE("step: jitter stays within its fraction", "[workflows][step]") {
  World world;
  Attempts attempts{};
  static_cast<void>(
      RunStep(world, {.max_attempts = 30, .backoff_rate = 1, .jitter = 0.25}, attempts));
  const std::vector<int64_t> pauses = attempts.Pauses();
  CHECK(*std::min_element(pauses.begin(), pauses.end()) >= 750);
  CHECK(*std::max_element(pauses.begin(), pauses.end()) <= 1'250);
  CHECK(*std::min_element(pauses.begin(), pauses.end()) < 950);
  CHECK(*std::max_element(pauses.begin(), pauses.end()) > 1'050);
}

TEST_CASE("step: a coroutine body waits without holding anything up", "[workflows][step]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(
          int value, workflow.Step("s",
                                   [text = std::string(100, 'x')](
                                       StepContext& context) -> Task<absl::StatusOr<int>> {
                                     Delay delay(context.reactor(), 2);
                                     co_await delay;
                                     co_return static_cast<int>(text.size()) + context.attempt();
                                   }));
      co_return value;
    });
  });
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  process.Start("w", "w");
  CHECK(process.Result<int>("w").value() == 101);
  CHECK(world.clock.MonotonicNs() - before >= 2 * kNanosPerSecond);
}

TEST_CASE("step: an attempt that takes too long is abandoned and may be tried again",
          "[workflows][step]") {
  World world;
  std::vector<CancellationToken> tokens;
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      const StepOptions options{.max_attempts = 2, .interval_s = 1, .attempt_timeout_s = 5};
      HF_CO_ASSIGN_OR_RETURN(
          int value,
          workflow.Step("s", options, [&](StepContext& context) -> Task<absl::StatusOr<int>> {
            tokens.push_back(context.cancellation());
            Delay delay(context.reactor(), context.attempt() == 1 ? 100 : 1);
            co_await delay;
            co_return context.attempt();
          }));
      co_return value;
    });
  });
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  process.Start("w", "w");
  CHECK(process.Result<int>("w").value() == 2);
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerMilli == 7'000);
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0].is_canceled());
}

TEST_CASE("step: a blocking body runs on the pool and its exception is an error",
          "[workflows][step]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      StepOptions options{.max_attempts = 2, .interval_s = 0.1};
      options.is_blocking = true;
      HF_CO_ASSIGN_OR_RETURN(int value, workflow.Step<int>("s", options, [](StepContext& context) {
        if (context.attempt() == 1) throw std::runtime_error("first");
        return static_cast<int>(context.workflow_id().size());
      }));
      co_return value;
    });
  });
  process.Launch();
  process.Start("w", "four");
  CHECK(process.Result<int>("four").value() == 4);
}

TEST_CASE("step: rows of a step are written with its outcome, and only of the one that succeeded",
          "[workflows][step]") {
  World world;
  Lines rows;
  world.database.RegisterSink("book", [&](const std::string& json) {
    rows.push_back(json);
    return absl::OkStatus();
  });
  Process process(world, [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(
          int value, workflow.Step<int>("s", {.max_attempts = 2},
                                        [](StepContext& context) -> absl::StatusOr<int> {
                                          context.Record({"book", absl::StrCat(context.attempt())});
                                          if (context.attempt() == 1) {
                                            return absl::AbortedError("again");
                                          }
                                          return context.attempt();
                                        }));
      workflow.Record({"book", "end"});
      co_return value;
    });
  });
  process.Launch();
  process.Start("w", "w");
  CHECK(process.Result<int>("w").value() == 2);
  CHECK(rows == Lines{"2", "end"});
}

TEST_CASE("step: operations that are made before the first await run at the same time",
          "[workflows][step]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<std::string>> {
      const auto body = [](double seconds) {
        return [seconds](StepContext& context) -> Task<absl::StatusOr<double>> {
          Delay delay(context.reactor(), seconds);
          co_await delay;
          co_return seconds;
        };
      };
      auto slow = workflow.Step("slow", body(5));
      auto quick = workflow.Step("quick", body(1));
      auto nap = workflow.Sleep(3);
      auto all = WhenAll(std::move(slow), std::move(quick), std::move(nap));
      auto [a, b, c] = co_await all;
      if (!a.ok() || !b.ok() || !c.ok()) co_return absl::InternalError("one failed");
      HF_CO_ASSIGN_OR_RETURN(int last, workflow.Step("last", [] { return 1; }));
      co_return std::to_string(static_cast<int>(*a + *b) + last);
    });
  });
  process.Launch();
  const int64_t before = world.clock.MonotonicNs();
  process.Start("w", "w");
  CHECK(process.Result<std::string>("w").value() == "7");
  CHECK((world.clock.MonotonicNs() - before) / kNanosPerMilli == 5'000);
  const Lines lines = StepLines(world, "w");
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "0 slow = 5.0");
  CHECK(lines[1] == "1 quick = 1.0");
  CHECK(lines[3] == "3 last = 1");
}

TEST_CASE("step: what is not awaited is forgotten at the end", "[workflows][step]") {
  World world;
  bool was_destroyed = false;
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      auto never = workflow.Step("never", [&](StepContext& context) -> Task<absl::StatusOr<int>> {
        const std::shared_ptr<bool> flag(&was_destroyed, [](bool* b) { *b = true; });
        Delay delay(context.reactor(), 1e6);
        co_await delay;
        co_return 1;
      });
      HF_CO_ASSIGN_OR_RETURN(int value, workflow.Step("s", [] { return 2; }));
      co_return value;
    });
  });
  process.Launch();
  process.Start("w", "w");
  CHECK(process.Result<int>("w").value() == 2);
  CHECK(was_destroyed);
  CHECK(StepLines(world, "w") == Lines{"1 s = 2"});
}

TEST_CASE("step: times that are none are the nearest that there is", "[workflows][step]") {
  World world;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double never = std::numeric_limits<double>::infinity();
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(nan));
      HF_CO_RETURN_IF_ERROR(workflow.Sleep(-5));
      HF_CO_RETURN_IF_ERROR(workflow.SleepUntil(std::numeric_limits<int64_t>::min()));
      HF_CO_RETURN_IF_ERROR(workflow.Receive<int>("none", nan));
      const StepOptions odd{
          .max_attempts = 3,
          .interval_s = nan,
          .backoff_rate = -never,
          .jitter = 50,
          .attempt_timeout_s = never,
          .is_retryable = [](const absl::Status&) -> bool { throw std::runtime_error("no idea"); }};
      HF_CO_AWAIT(absl::StatusOr<int> failed, workflow.Step<int>("s", odd, [] {
        return absl::StatusOr<int>(absl::UnknownError("first"));
      }));
      co_return failed.status().message() == "first" ? 1 : 0;
    });
  });
  process.Launch();
  REQUIRE(process.TryStart("w", {.id = "w", .timeout_s = never}).ok());
  CHECK(process.Result<int>("w").value() == 1);
  REQUIRE(process.TryEnqueue("_dbos_internal_queue", "w", {.id = "x", .delay_s = nan}).ok());
  CHECK(process.Result<int>("x").value() == 1);
}

Task<absl::StatusOr<int>> ThrowsBeforeItIsATask(StepContext&) { throw std::runtime_error("early"); }

TEST_CASE("step: a function that throws before it gives its task has failed", "[workflows][step]") {
  World world;
  Process process(world, [](Runtime& runtime) {
    runtime.Register("w", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(int value, workflow.Step("s", &ThrowsBeforeItIsATask));
      co_return value;
    });
  });
  process.Launch();
  process.Start("w", "w");
  CHECK(process.Result<int>("w").status().message() == "early");
}

class AddOne final : public MemoryTransactionBody {
 public:
  explicit AddOne(int* balance) : balance_(balance) {}
  absl::StatusOr<std::string> Run() override {
    if (*balance_ < 0) return absl::FailedPreconditionError("overdrawn");
    return std::to_string(++*balance_);
  }

 private:
  int* balance_;
};

TEST_CASE("step: a transaction's outcome is recorded with what it did", "[workflows][step]") {
  World world;
  int balance = 41;
  Process process(world, [&](Runtime& runtime) {
    runtime.Register("w", [&](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_ASSIGN_OR_RETURN(
          int value, workflow.RunTransaction<int>("book", std::make_shared<AddOne>(&balance)));
      balance = -1;
      HF_CO_AWAIT(absl::StatusOr<int> refused,
                  workflow.RunTransaction<int>("book", std::make_shared<AddOne>(&balance)));
      co_return refused.ok() ? 0 : value;
    });
  });
  process.Launch();
  process.Start("w", "w");
  const auto result = process.Result<int>("w");
  INFO(result.status());
  CHECK(result.value() == 42);
  CHECK(StepLines(world, "w").size() == 2);
  CHECK(StepLines(world, "w")[0] == "0 book = 42");
}

}  // namespace
}  // namespace holdfast::workflows
