#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "workflows/runtime/journal_types.h"
#include "workflows/runtime/payload.h"
#include "workflows/runtime/ref.h"
#include "workflows/runtime/typed_json.h"

namespace holdfast::workflows {

struct EffectResult;

namespace internal {

class WorkflowRun;

// One thing that a workflow asked for and that has an outcome in the journal: what its awaiter and
// its run share. It exists from the call on, so several may be under way at once; its function ids
// are those of the order of the calls.
//
// Life: created -> replayed (an earlier run recorded the outcome: complete at once)
//               -> requested -> begun (everything recorded before it is durable) -> complete
// or abandoned at any point, when its run ends or is dropped.
class OperationState : public RefCounted {
 public:
  OperationState(WorkflowRun& run, int32_t function_id, std::string_view name)
      : run_(&run), function_id_(function_id), name_(name) {}

  int32_t function_id() const { return function_id_; }
  const std::string& name() const { return name_; }
  bool is_complete() const { return is_complete_; }
  bool is_abandoned() const { return run_ == nullptr; }

  // Takes the outcome from the row that records it. False: the row is there, but a wait goes on.
  virtual bool Replay(StepRecord record) = 0;
  // Everything before it is durable: effects may happen now.
  virtual void Begin() {}
  // The effect that it recorded is durable, or was refused. Comes even after the operation was
  // abandoned.
  virtual void OnEffect(WorkflowRun& run, EffectResult result);
  // A hint that a message for the workflow may wait.
  virtual void OnMessage() {}
  // The awaited wait lies behind the run's history: it is over whatever the clock says. False: not
  // a wait that is recorded in advance.
  virtual bool EndWait() { return false; }

  void SetComplete() { is_complete_ = true; }
  void Abandon() {
    OnAbandoned();
    run_ = nullptr;
  }

  // Called by the awaiter.
  void Await(std::coroutine_handle<> waiter);

 protected:
  ~OperationState() override;
  // Gives back timers and bodies under way.
  virtual void OnAbandoned() {}
  WorkflowRun& run() const { return *run_; }

 private:
  WorkflowRun* run_;  // null: abandoned
  int32_t function_id_;
  bool is_complete_ = false;
  std::string name_;
};

// Waits until an operation is complete and leaves its result where it is.
struct CompletionAwaiter {
  OperationState* state;
  bool await_ready() const noexcept { return state->is_complete(); }
  void await_suspend(std::coroutine_handle<> waiter) const { state->Await(waiter); }
  void await_resume() const noexcept {}
};

// ---- Between values and records ---------------------------------------------------------------

template <class T>
absl::StatusOr<std::string> EncodeTyped(PayloadFormat format, const T& value) {
  HF_ASSIGN_OR_RETURN(Json json, ToJson(value));
  return EncodeValue(format, json);
}

template <class T>
absl::StatusOr<T> DecodeTyped(std::optional<std::string_view> serialization,
                              std::optional<std::string_view> text) {
  HF_ASSIGN_OR_RETURN(PayloadFormat format, PayloadFormatFromColumn(serialization));
  HF_ASSIGN_OR_RETURN(Json json, DecodeValue(format, text));
  return FromJson<T>(json);
}

// The recorded error, or OK.
absl::Status RecordedError(const StepRecord& record);
// The error as a column's text.
std::string EncodeStatus(PayloadFormat format, const absl::Status& status);
std::string EncodeStatus(const absl::Status& status);

// What a record says. An output that is no T is told apart by *is_unreadable: the workflow's code
// changed under it, or the row is broken.
template <class T>
absl::StatusOr<T> OutcomeOf(const StepRecord& record, bool* is_unreadable) {
  *is_unreadable = false;
  if (absl::Status error = RecordedError(record); !error.ok()) return error;
  absl::StatusOr<T> value = DecodeTyped<T>(record.serialization, record.output);
  *is_unreadable = !value.ok();
  return value;
}

}  // namespace internal

// What the calls of a Workflow give: something to await, under a name (see Task). The work goes on
// whether it is awaited or not, so operations that are made before the first of them is awaited run
// at the same time. What is not complete when the workflow ends is forgotten.
//
// Awaiting gives absl::StatusOr<T>; at most once for each operation.
template <class T>
class [[nodiscard]] Operation {
 public:
  Operation(internal::Ref<internal::OperationState> state, std::optional<absl::StatusOr<T>>* result)
      : state_(std::move(state)), result_(result) {}
  Operation(Operation&&) noexcept = default;
  Operation& operator=(Operation&&) noexcept = default;

  bool is_complete() const { return state_->is_complete(); }
  internal::OperationState& state() { return *state_; }
  // REQUIRES: is_complete(), and not awaited before.
  absl::StatusOr<T> TakeResult() {
    HF_ASSERT(result_->has_value());
    absl::StatusOr<T> value = *std::move(*result_);
    result_->reset();
    return value;
  }

  struct Awaiter : internal::CompletionAwaiter {
    Operation* operation;
    absl::StatusOr<T> await_resume() { return operation->TakeResult(); }
  };
  Awaiter operator co_await() & { return Awaiter{{state_.get()}, this}; }
  void operator co_await() && = delete;  // give it a name: HF_CO_AWAIT and its kin do

 private:
  internal::Ref<internal::OperationState> state_;
  std::optional<absl::StatusOr<T>>* result_;  // inside *state_
};

}  // namespace holdfast::workflows
