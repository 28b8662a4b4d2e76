#include "workflows/runtime/workflow.h"

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "workflows/runtime/duration.h"
#include "workflows/runtime/operations.h"
#include "workflows/runtime/text.h"
#include "workflows/runtime/workflow_function.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows {
namespace internal {

Invocation::~Invocation() = default;
WorkflowFunction::~WorkflowFunction() = default;

int32_t TakeFunctionId(WorkflowRun& run) { return run.TakeFunctionId(); }

bool ReplayRecorded(WorkflowRun& run, OperationState& operation) {
  return run.ReplayRecorded(operation);
}

std::optional<StepRecord> TakeRecorded(WorkflowRun& run, int32_t function_id,
                                       std::string_view name) {
  if (run.is_mismatched()) return std::nullopt;
  StepRecord* const record = run.TakeRecorded(function_id);
  if (record == nullptr) return std::nullopt;
  if (record->name != name) {
    run.SetMismatch(function_id, record->name, name);
    return std::nullopt;
  }
  return std::move(*record);
}

void RequestOperation(WorkflowRun& run, OperationState& operation) { run.Request(operation); }

bool IsMismatched(const WorkflowRun& run) { return run.is_mismatched(); }

absl::StatusOr<NewWorkflow> MakeChild(WorkflowRun& run, int32_t function_id, std::string_view name,
                                      const ChildOptions& options) {
  RunServices& services = run.services();
  NewWorkflow child;
  child.id = options.id.has_value() ? *options.id : absl::StrCat(run.id(), "-", function_id);
  child.name = std::string(name);
  if (!services.Describe(child) && !options.queue_name.has_value()) {
    return absl::NotFoundError(absl::StrCat("no such workflow is registered: name=", child.name));
  }
  child.serialization = std::string(PayloadFormatName(PayloadFormat::kPortableJson));
  child.parent_workflow_id = run.id();
  child.priority = options.priority;
  if (options.timeout_s.has_value()) {
    child.timeout_ms = SecondsToMs(*options.timeout_s);
  } else {
    child.deadline_ms = run.deadline_ms();
  }
  if (options.queue_name.has_value()) {
    child.queue_name = options.queue_name;
    child.queue_partition_key = options.queue_partition_key;
    child.deduplication_id = options.deduplication_id;
    if (options.delay_s.has_value()) {
      child.delay_until_ms = services.NowMs() + SecondsToMs(*options.delay_s);
    }
  } else {
    child.owner_token = services.NewOwnerToken();
  }
  return child;
}

namespace {

// An operation of something that happens at once: its row joins the turn's commit. Gives the
// recorded output, or records `output`.
std::string RecordInstant(WorkflowRun& run, std::string_view name, std::string output) {
  const int32_t function_id = run.TakeFunctionId();
  if (run.is_mismatched()) return output;
  if (const std::optional<StepRecord> recorded = TakeRecorded(run, function_id, name);
      recorded.has_value() && recorded->output.has_value()) {
    return *recorded->output;
  }
  if (run.is_mismatched()) return output;
  StepRecord record = MakeRecord(run, function_id, name);
  record.output = output;
  run.AddStep(std::move(record));
  return output;
}

template <class State, class... AskArguments>
Operation<std::monostate> MakeStatusOperation(WorkflowRun& run, State* state, AskArguments... ask) {
  Ref<OperationState> held(state);
  if (!run.ReplayRecorded(*state)) state->Ask(std::move(ask)...);
  return Operation<std::monostate>(std::move(held), state->result());
}

Operation<std::monostate> MakeEffect(WorkflowRun& run, std::string_view name,
                                     absl::StatusOr<std::string> text,
                                     absl::FunctionRef<Effect(std::string text)> make_effect) {
  auto* const state = new StatusState<EffectState>(run, run.TakeFunctionId(), name);
  Ref<OperationState> held(state);
  if (!run.ReplayRecorded(*state)) {
    if (text.ok()) {
      state->Ask(make_effect(*std::move(text)).action);
    } else {
      state->AskToFail(text.status());
    }
  }
  return Operation<std::monostate>(std::move(held), state->result());
}

const char* const kPortable = "portable_json";

}  // namespace
}  // namespace internal

using internal::MakeEffect;
using internal::MakeStatusOperation;

const std::string& Workflow::id() const { return run_.id(); }
CancellationToken Workflow::cancellation() { return run_.cancellation(); }
std::optional<int64_t> Workflow::deadline_ms() const { return run_.deadline_ms(); }

Operation<std::monostate> Workflow::Sleep(double seconds) {
  return SleepUntil(run_.services().NowMs() + SecondsToMs(seconds));
}

Operation<std::monostate> Workflow::SleepUntil(int64_t wall_ms) {
  auto* const state = new internal::SleepState(run_, run_.TakeFunctionId(), internal::kSleepName);
  return MakeStatusOperation(run_, state, std::max<int64_t>(wall_ms, 0));
}

Operation<std::monostate> Workflow::SendText(std::string destination_id,
                                             absl::StatusOr<std::string> text,
                                             std::optional<std::string> topic) {
  return MakeEffect(run_, internal::kSendName, std::move(text), [&](std::string message) {
    return Effect{{},
                  SendEffect{std::move(destination_id), std::move(topic), std::move(message),
                             internal::kPortable, std::nullopt, ""}};
  });
}

Operation<std::monostate> Workflow::SetEventText(std::string key,
                                                 absl::StatusOr<std::string> text) {
  auto* const state = new internal::StatusState<internal::SetEventState>(
      run_, run_.TakeFunctionId(), internal::kSetEventName);
  return MakeStatusOperation(run_, state, std::move(key), std::move(text));
}

Operation<std::monostate> Workflow::WriteStreamText(std::string_view name, std::string key,
                                                    absl::StatusOr<std::string> text) {
  return MakeEffect(run_, name, std::move(text), [&](std::string value) {
    return Effect{{}, StreamEffect{std::move(key), std::move(value), internal::kPortable}};
  });
}

Operation<std::monostate> Workflow::CloseStream(std::string key) {
  return WriteStreamText(internal::kCloseStreamName, std::move(key),
                         std::string(kStreamClosedMarker));
}

int64_t Workflow::NowMs() {
  const std::string text =
      internal::RecordInstant(run_, internal::kNowName, absl::StrCat(run_.services().NowMs()));
  absl::StatusOr<int64_t> now = internal::DecodeTyped<int64_t>(internal::kPortable, text);
  return now.ok() ? *now : 0;
}

std::string Workflow::Uuid() {
  const std::string text = internal::RecordInstant(
      run_, internal::kUuidName, absl::StrCat("\"", run_.services().NewUuid(), "\""));
  absl::StatusOr<std::string> uuid = internal::DecodeTyped<std::string>(internal::kPortable, text);
  return uuid.ok() ? *std::move(uuid) : "";
}

bool Workflow::Patch(std::string_view name) {
  const std::string row_name = absl::StrCat(AbslView(internal::kPatchPrefix), AbslView(name));
  if (run_.is_mismatched()) return false;
  if (const StepRecord* next = run_.PeekRecorded(); next != nullptr) {
    // An earlier run came past here: the way it went is the way this one goes.
    if (next->function_id != run_.next_function_id() || next->name != row_name) return false;
  }
  internal::RecordInstant(run_, row_name, "true");
  return true;
}

void Workflow::Record(ApplicationRow row) {
  const int32_t function_id = run_.TakeFunctionId();
  if (run_.is_mismatched()) return;
  if (internal::TakeRecorded(run_, function_id, internal::kRecordName).has_value()) return;
  if (run_.is_mismatched()) return;
  StepRecord record = internal::MakeRecord(run_, function_id, internal::kRecordName);
  record.output = "null";
  run_.AddStep(std::move(record));
  run_.AddRow(std::move(row));
}

}  // namespace holdfast::workflows
