#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "workflows/runtime/journal.h"
#include "workflows/runtime/operation.h"
#include "workflows/runtime/reactor.h"
#include "workflows/runtime/run_services.h"

// What workflows ask for besides plain steps, without the types of their values: each is the base
// of a TypedState (workflow_internal.h) that reads the record.
namespace holdfast::workflows::internal {

// Reserved names of steps, as every DBOS runtime writes them.
inline constexpr std::string_view kSleepName = "DBOS.sleep";
inline constexpr std::string_view kSendName = "DBOS.send";
inline constexpr std::string_view kReceiveName = "DBOS.recv";
inline constexpr std::string_view kSetEventName = "DBOS.setEvent";
inline constexpr std::string_view kGetEventName = "DBOS.getEvent";
inline constexpr std::string_view kWriteStreamName = "DBOS.writeStream";
inline constexpr std::string_view kCloseStreamName = "DBOS.closeStream";
inline constexpr std::string_view kGetResultName = "DBOS.getResult";
inline constexpr std::string_view kNowName = "DBOS.now";
inline constexpr std::string_view kUuidName = "DBOS.randomUUID";
inline constexpr std::string_view kPatchPrefix = "DBOS.patch-";
inline constexpr std::string_view kRecordName = "holdfast.record";

// A row of a step that happens at one instant.
StepRecord MakeRecord(WorkflowRun& run, int32_t function_id, std::string_view name);
StepRecord MakeErrorRecord(WorkflowRun& run, const OperationState& operation,
                           const absl::Status& error);

// An operation that waits until a time on the wall clock.
class TimedState : public OperationState {
 public:
  using OperationState::OperationState;

 protected:
  void OnAbandoned() override { CancelTimer(); }
  void SetTimer(int64_t wall_ms);
  void CancelTimer();
  virtual void OnTimer() = 0;
  int64_t NowMs() const;

 private:
  std::optional<TimerId> timer_;
};

class SleepState : public TimedState {
 public:
  using TimedState::TimedState;
  void Ask(int64_t wake_ms);
  bool Replay(StepRecord record) override;
  void Begin() override;
  bool EndWait() override;
  std::optional<absl::StatusOr<std::monostate>>* result() { return &result_; }

 protected:
  void OnTimer() override;

 private:
  int64_t wake_ms_ = 0;
  std::optional<absl::StatusOr<std::monostate>> result_ = std::monostate();
};

// Effects whose answer is awaited: send and streams.
class EffectState : public OperationState {
 public:
  using OperationState::OperationState;
  void Ask(
      std::variant<SendEffect, ReceiveEffect, SetEventEffect, StreamEffect, ChildEffect> action);
  // Could not even be written down.
  void AskToFail(const absl::Status& error);
  void OnEffect(WorkflowRun& run, EffectResult result) override;
};

// Cannot fail, so it is complete when it is asked for; durable before anything that follows.
class SetEventState : public OperationState {
 public:
  using OperationState::OperationState;
  void Ask(std::string key, absl::StatusOr<std::string> text);
  void OnEffect(WorkflowRun&, EffectResult) override {}
};

class ReceiveState : public TimedState {
 public:
  ReceiveState(WorkflowRun& run, int32_t function_id, std::optional<std::string> topic)
      : TimedState(run, function_id, kReceiveName), topic_(std::move(topic)) {}
  void Ask(int32_t wait_function_id, const StepRecord* wait, double timeout_s);
  void OnEffect(WorkflowRun& run, EffectResult result) override;
  void OnMessage() override;

 protected:
  void OnTimer() override;

 private:
  void Try();

  std::optional<std::string> topic_;
  int64_t deadline_ms_ = 0;
  bool is_trying_ = false;
  bool has_news_ = false;
  bool is_last_try_ = false;
};

class GetEventState : public TimedState {
 public:
  GetEventState(WorkflowRun& run, int32_t function_id, std::string workflow_id, std::string key)
      : TimedState(run, function_id, kGetEventName),
        workflow_id_(std::move(workflow_id)),
        key_(std::move(key)) {}
  void Ask(int32_t wait_function_id, const StepRecord* wait, double timeout_s);
  void Begin() override;

 protected:
  void OnTimer() override;
  void OnAbandoned() override;

 private:
  void Look();
  void OnLooked(absl::StatusOr<std::optional<Journal::Value>> value);

  std::string workflow_id_;
  std::string key_;
  int64_t deadline_ms_ = 0;
  int64_t started_at_ms_ = 0;
  uint64_t watch_ = 0;
  bool is_looking_ = false;
  bool has_news_ = false;
  bool is_last_look_ = false;
};

class ChildStartState : public OperationState {
 public:
  using OperationState::OperationState;
  void Ask(absl::StatusOr<NewWorkflow> child);
  void OnEffect(WorkflowRun& run, EffectResult result) override;

 private:
  std::optional<OwnedWorkflow> owned_;
  std::optional<std::string> queue_name_;
  std::optional<int64_t> delay_until_ms_;
  std::optional<int64_t> deadline_ms_;
};

class GetResultState : public OperationState {
 public:
  GetResultState(WorkflowRun& run, int32_t function_id, std::string child_id)
      : OperationState(run, function_id, kGetResultName), child_id_(std::move(child_id)) {}
  void Ask();
  void Begin() override;

 protected:
  void OnAbandoned() override;

 private:
  void OnEnded(absl::StatusOr<WorkflowResult> result);

  std::string child_id_;
  int64_t started_at_ms_ = 0;
  uint64_t wait_ = 0;
};

class TransactionState : public OperationState {
 public:
  TransactionState(WorkflowRun& run, int32_t function_id, std::string_view name,
                   std::shared_ptr<TransactionBody> body)
      : OperationState(run, function_id, name), body_(std::move(body)) {}
  void Ask();
  void Begin() override;

 private:
  void OnRecorded(absl::StatusOr<std::optional<StepRecord>> record);

  std::shared_ptr<TransactionBody> body_;
};

// How a workflow's end looks to whoever waits for it: OK, or its error.
absl::Status StatusOfResult(const WorkflowResult& result, std::string_view workflow_id);

}  // namespace holdfast::workflows::internal
