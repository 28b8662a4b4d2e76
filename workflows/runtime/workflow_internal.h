#pragma once

// The typed half of workflow.h, which includes this at its end.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workflows/runtime/operations.h"
#include "workflows/runtime/workflow.h"

namespace holdfast::workflows {
namespace internal {

// ---- What a run offers to templates, which do not see its class -------------------------------

int32_t TakeFunctionId(WorkflowRun& run);
// Completes the operation from its row, or leaves it for ever when the run does not fit its
// history. False: it has to be done.
bool ReplayRecorded(WorkflowRun& run, OperationState& operation);
std::optional<StepRecord> TakeRecorded(WorkflowRun& run, int32_t function_id,
                                       std::string_view name);
void RequestOperation(WorkflowRun& run, OperationState& operation);
// The code asked for something that its history contradicts: nothing is done any more.
bool IsMismatched(const WorkflowRun& run);
absl::StatusOr<NewWorkflow> MakeChild(WorkflowRun& run, int32_t function_id, std::string_view name,
                                      const ChildOptions& options);

enum class Unreadable { kParks, kIsAnError };

template <class T, class Base, Unreadable kUnreadable = Unreadable::kIsAnError>
class TypedState final : public Base {
 public:
  using Base::Base;
  std::optional<absl::StatusOr<T>>* result() { return &result_; }
  bool Replay(StepRecord record) override {
    bool is_unreadable = false;
    result_ = OutcomeOf<T>(record, &is_unreadable);
    if (kUnreadable == Unreadable::kParks && is_unreadable) {
      ReportUnreadable(*this, this->run(), result_->status());
      return false;
    }
    return true;
  }

 private:
  std::optional<absl::StatusOr<T>> result_;
};

// Operations without a value: done or failed.
template <class Base>
class StatusState final : public Base {
 public:
  using Base::Base;
  std::optional<absl::StatusOr<std::monostate>>* result() { return &result_; }
  bool Replay(StepRecord record) override {
    const absl::Status error = RecordedError(record);
    if (error.ok()) {
      result_ = std::monostate();
    } else {
      result_ = error;
    }
    return true;
  }

 private:
  std::optional<absl::StatusOr<std::monostate>> result_;
};

template <class Out>
class TypedChildStart final : public ChildStartState {
 public:
  TypedChildStart(WorkflowRun& run, int32_t function_id, std::string_view name,
                  int32_t result_function_id)
      : ChildStartState(run, function_id, name), result_function_id_(result_function_id) {}
  std::optional<absl::StatusOr<ChildHandle<Out>>>* result() { return &result_; }
  void set_recorded_result(std::optional<StepRecord> record) {
    if (result_.has_value() && result_->ok()) {
      result_ = ChildHandle<Out>(run(), (*result_)->id(), result_function_id_, std::move(record));
    }
  }
  bool Replay(StepRecord record) override {
    if (const absl::Status error = RecordedError(record); !error.ok()) {
      result_ = error;
    } else {
      result_ = ChildHandle<Out>(run(), record.child_workflow_id.value_or(""), result_function_id_,
                                 std::nullopt);
    }
    return true;
  }

 private:
  int32_t result_function_id_;
  std::optional<absl::StatusOr<ChildHandle<Out>>> result_;
};

template <class In>
absl::StatusOr<std::string> EncodeInputs(PayloadFormat format, const In& in) {
  HF_ASSIGN_OR_RETURN(Arguments arguments, ArgumentsFromInput(in));
  return EncodeArguments(format, arguments);
}
// What callers pass for a parameter: texts in any form are std::string.
template <class T>
using InputType = std::conditional_t<std::is_convertible_v<T, std::string_view>, std::string, T>;

// The text of a call's arguments. One argument is the input itself (InputFromArguments), more make
// a parameter list.
template <class... In>
absl::StatusOr<std::string> EncodeCall(PayloadFormat format, In... inputs) {
  if constexpr (sizeof...(In) == 1) {
    return EncodeInputs(format, (InputType<In>(std::move(inputs)), ...));
  } else if constexpr (sizeof...(In) == 0) {
    return EncodeInputs(format, std::monostate());
  } else {
    return EncodeInputs(format, std::tuple<InputType<In>...>(std::move(inputs)...));
  }
}

}  // namespace internal

template <class T, class Fn>
Operation<T> Workflow::Step(std::string_view name, StepOptions options, Fn fn) {
  using State = internal::StepState<T, Fn>;
  State* const state =
      new State(run_, internal::TakeFunctionId(run_), name, std::move(options), std::move(fn));
  internal::Ref<internal::OperationState> held(state);
  if (!internal::ReplayRecorded(run_, *state)) internal::RequestOperation(run_, *state);
  return Operation<T>(std::move(held), state->result());
}

template <class T>
Operation<T> Workflow::RunTransaction(std::string_view name,
                                      std::shared_ptr<TransactionBody> body) {
  using State = internal::TypedState<T, internal::TransactionState, internal::Unreadable::kParks>;
  State* const state = new State(run_, internal::TakeFunctionId(run_), name, std::move(body));
  internal::Ref<internal::OperationState> held(state);
  if (!internal::ReplayRecorded(run_, *state)) internal::RequestOperation(run_, *state);
  return Operation<T>(std::move(held), state->result());
}

template <class Out, class... In>
Operation<ChildHandle<Out>> Workflow::StartChild(std::string_view name, ChildOptions options,
                                                 In... inputs) {
  const int32_t function_id = internal::TakeFunctionId(run_);
  const int32_t result_function_id = function_id + 1;
  using State = internal::TypedChildStart<Out>;
  State* const state = new State(run_, function_id, name, result_function_id);
  internal::Ref<internal::OperationState> held(state);
  const bool is_replayed = internal::ReplayRecorded(run_, *state);
  HF_ASSERT(internal::TakeFunctionId(run_) == result_function_id);
  std::optional<StepRecord> recorded =
      internal::TakeRecorded(run_, result_function_id, internal::kGetResultName);
  if (is_replayed) {
    state->set_recorded_result(std::move(recorded));
  } else if (!internal::IsMismatched(run_)) {
    absl::StatusOr<NewWorkflow> child = internal::MakeChild(run_, function_id, name, options);
    absl::StatusOr<std::string> text =
        internal::EncodeCall(PayloadFormat::kPortableJson, std::move(inputs)...);
    if (!text.ok()) {
      child = text.status();
    } else if (child.ok()) {
      child->inputs = *std::move(text);
    }
    state->Ask(std::move(child));
  }
  return Operation<ChildHandle<Out>>(std::move(held), state->result());
}

template <class Out>
Operation<Out> ChildHandle<Out>::Result() {
  const bool is_first = result_function_id_.has_value();
  const int32_t function_id = is_first ? *result_function_id_ : internal::TakeFunctionId(*run_);
  result_function_id_.reset();
  using State = internal::TypedState<Out, internal::GetResultState>;
  State* const state = new State(*run_, function_id, id_);
  internal::Ref<internal::OperationState> held(state);
  if (is_first) {
    if (recorded_.has_value()) {
      state->Replay(*std::move(recorded_));
      state->SetComplete();
    } else if (!internal::IsMismatched(*run_)) {
      state->Ask();
    }
  } else if (!internal::ReplayRecorded(*run_, *state)) {
    state->Ask();
  }
  return Operation<Out>(std::move(held), state->result());
}

template <class T>
Operation<std::monostate> Workflow::Send(std::string destination_id, const T& value,
                                         std::optional<std::string> topic) {
  return SendText(
      std::move(destination_id),
      internal::EncodeTyped(PayloadFormat::kPortableJson, internal::InputType<T>(value)),
      std::move(topic));
}

template <class T>
Operation<std::optional<T>> Workflow::Receive(std::optional<std::string> topic, double timeout_s) {
  const int32_t function_id = internal::TakeFunctionId(run_);
  using State = internal::TypedState<std::optional<T>, internal::ReceiveState>;
  State* const state = new State(run_, function_id, std::move(topic));
  internal::Ref<internal::OperationState> held(state);
  const bool is_replayed = internal::ReplayRecorded(run_, *state);
  const int32_t wait_function_id = internal::TakeFunctionId(run_);
  const std::optional<StepRecord> wait =
      internal::TakeRecorded(run_, wait_function_id, internal::kSleepName);
  if (!is_replayed && !internal::IsMismatched(run_)) {
    state->Ask(wait_function_id, wait.has_value() ? &*wait : nullptr, timeout_s);
  }
  return Operation<std::optional<T>>(std::move(held), state->result());
}

template <class T>
Operation<std::monostate> Workflow::SetEvent(std::string key, const T& value) {
  return SetEventText(std::move(key), internal::EncodeTyped(PayloadFormat::kPortableJson,
                                                            internal::InputType<T>(value)));
}

template <class T>
Operation<std::optional<T>> Workflow::GetEvent(std::string workflow_id, std::string key,
                                               double timeout_s) {
  const int32_t function_id = internal::TakeFunctionId(run_);
  using State = internal::TypedState<std::optional<T>, internal::GetEventState>;
  State* const state = new State(run_, function_id, std::move(workflow_id), std::move(key));
  internal::Ref<internal::OperationState> held(state);
  const bool is_replayed = internal::ReplayRecorded(run_, *state);
  const int32_t wait_function_id = internal::TakeFunctionId(run_);
  const std::optional<StepRecord> wait =
      internal::TakeRecorded(run_, wait_function_id, internal::kSleepName);
  if (!is_replayed && !internal::IsMismatched(run_)) {
    state->Ask(wait_function_id, wait.has_value() ? &*wait : nullptr, timeout_s);
  }
  return Operation<std::optional<T>>(std::move(held), state->result());
}

template <class T>
Operation<std::monostate> Workflow::WriteStream(std::string key, const T& value) {
  return WriteStreamText(
      internal::kWriteStreamName, std::move(key),
      internal::EncodeTyped(PayloadFormat::kPortableJson, internal::InputType<T>(value)));
}

}  // namespace holdfast::workflows
