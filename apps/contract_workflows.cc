#include "apps/contract_workflows.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "workflows/runtime/completion.h"
#include "workflows/runtime/workflow.h"
#include "workflows/runtime/workflow_error.h"

namespace holdfast {
namespace {

using workflows::Arguments;
using workflows::Json;
using workflows::NamedArguments;
using workflows::StepContext;
using workflows::Task;
using workflows::Workflow;

constexpr double kNapSecondsMax = 86'400;
constexpr double kMessageSecondsDefault = 10;

// A parameter that was not given by position, if it was given by name.
void TakeNamed(NamedArguments& named, const char* name, Json& parameter) {
  const auto found = named.values.find(name);
  if (!parameter.is_null() || found == named.values.end()) return;
  parameter = *found;
  named.values.erase(found);
}

absl::StatusOr<Json> Sum(const Json& a, const Json& b) {
  if (a.is_string() && b.is_string()) return Json(a.get<std::string>() + b.get<std::string>());
  if (!a.is_number() || !b.is_number()) {
    return workflows::MakeWorkflowError("TypeError",
                                        "conf_echo adds two numbers or joins two texts");
  }
  int64_t sum = 0;
  if (a.is_number_integer() && b.is_number_integer() &&
      !__builtin_add_overflow(a.get<int64_t>(), b.get<int64_t>(), &sum)) {
    return Json(sum);
  }
  return Json(a.get<double>() + b.get<double>());
}

Task<absl::StatusOr<Json>> Echo(Workflow& workflow, Json a, Json b, NamedArguments named) {
  TakeNamed(named, "a", a);
  TakeNamed(named, "b", b);
  HF_CO_ASSIGN_OR_RETURN(Json sum, workflow.Step<Json>("step", [&a, &b] { return Sum(a, b); }));
  HF_CO_RETURN_IF_ERROR(workflow.Step("step", [] { return std::string("done"); }));
  Json result = Json::object();
  result["sum"] = std::move(sum);
  result["named"] = std::move(named.values);
  co_return result;
}

// Schedules call with the time and a context: what follows the first argument is not looked at.
Task<absl::StatusOr<Json>> Identity(Workflow&, Arguments arguments) {
  NamedArguments named{std::move(arguments.named)};
  Json value = arguments.positional.empty() ? Json(nullptr) : arguments.positional.front();
  TakeNamed(named, "v", value);
  co_return value;
}

Task<absl::StatusOr<std::monostate>> Fail(Workflow&, std::string message) {
  co_return workflows::MakeWorkflowError("ValueError", std::move(message), int64_t{42},
                                         Json{{"retryable", false}});
}

Task<absl::StatusOr<std::monostate>> Nap(StepContext& context, double seconds) {
  workflows::Delay pause(context.reactor(), seconds);
  co_await pause;
  co_return std::monostate();
}

Task<absl::StatusOr<Json>> Slow(Workflow& workflow, int32_t count, double milliseconds) {
  const double seconds = milliseconds / 1e3;
  if (!(seconds >= 0 && seconds <= kNapSecondsMax)) {
    co_return workflows::MakeWorkflowError("RangeError", "conf_slow naps 0 ms to a day");
  }
  for (int32_t i = 0; i < count; ++i) {
    HF_CO_RETURN_IF_ERROR(
        workflow.Step("nap", [seconds](StepContext& context) { return Nap(context, seconds); }));
  }
  co_return Json{{"n", count}};
}

Task<absl::StatusOr<Json>> Message(Workflow& workflow, Json seconds, NamedArguments named) {
  TakeNamed(named, "seconds", seconds);
  const double timeout_s = seconds.is_number() ? seconds.get<double>() : kMessageSecondsDefault;
  HF_CO_ASSIGN_OR_RETURN(std::optional<Json> message, workflow.Receive<Json>("go", timeout_s));
  if (!message.has_value()) co_return Json(nullptr);
  HF_CO_RETURN_IF_ERROR(workflow.SetEvent("got", *message));
  for (int i = 0; i < 3; ++i) HF_CO_RETURN_IF_ERROR(workflow.WriteStream("out", i));
  HF_CO_RETURN_IF_ERROR(workflow.CloseStream("out"));
  co_return *std::move(message);
}

}  // namespace

void RegisterContractWorkflows(workflows::RuntimeHost& host) {
  host.Register("conf_echo", &Echo);
  host.Register("conf_identity", &Identity);
  host.Register("conf_fail", &Fail);
  host.Register("conf_slow", &Slow);
  host.Register("conf_msg", &Message);
}

}  // namespace holdfast
