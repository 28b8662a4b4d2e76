// A workflow's life on one executor: its steps run once, in order, and are recorded; what fails is
// an error and not the end of the process. On the journal in memory, with a stepped clock.
#include <stdexcept>

#include "simulated_process.h"

namespace holdfast::workflows {
namespace {

Task<absl::StatusOr<int>> Sum(Workflow& workflow, int a, int b) {
  HF_CO_ASSIGN_OR_RETURN(int sum, workflow.Step<int>("add", [a, b] { return a + b; }));
  HF_CO_ASSIGN_OR_RETURN(int doubled, workflow.Step("double", [sum] { return 2 * sum; }));
  co_return doubled;
}

TEST_CASE("runtime: a workflow's steps are recorded in order and its output is the result",
          "[workflows][runtime]") {
  World world;
  Process process(world, [](Runtime& runtime) { runtime.Register("sum", &Sum); });
  process.Launch();
  process.Start("sum", "w", 2, 3);
  CHECK(process.Result<int>("w").value() == 10);
  CHECK(StepLines(world, "w") == Lines{"0 add = 5", "1 double = 10"});
  CHECK(StatusOf(world, "w") == "SUCCESS");
  CHECK(world.database.GetWorkflow("w", true)->output == "10");
}

}  // namespace
}  // namespace holdfast::workflows
