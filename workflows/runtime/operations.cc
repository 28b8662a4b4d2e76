#include "workflows/runtime/operations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workflows/runtime/duration.h"
#include "workflows/runtime/text.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows::internal {
namespace {

constexpr std::string_view kNullText = "null";
// Between two attempts at a transaction for which the journal has no room.
constexpr int64_t kRetryNs = 20 * kNanosPerMilli;
constexpr double kEventPollSeconds = 10;  // a net: events are announced

Journal::Value NullValue() { return {std::string(kNullText), std::nullopt}; }

std::string PortableName() { return std::string(PayloadFormatName(PayloadFormat::kPortableJson)); }

absl::Status MissingDestination(const std::string& id) {
  return MakeWorkflowError("DBOSNonExistentWorkflowError",
                           absl::StrCat("no such workflow: id=", id), {}, nullptr,
                           absl::StatusCode::kNotFound);
}

absl::Status ChildConflict(const std::string& id, const std::optional<StartResult>& result) {
  if (result.has_value() && result->outcome == StartOutcome::kDeduplicated) {
    return MakeWorkflowError("DBOSQueueDuplicatedError",
                             absl::StrCat("the queue holds a workflow with this deduplication id: "
                                          "id=",
                                          id),
                             {}, nullptr, absl::StatusCode::kAlreadyExists);
  }
  return MakeWorkflowError("DBOSConflictingWorkflowError",
                           absl::StrCat("the id belongs to another workflow: id=", id), {}, nullptr,
                           absl::StatusCode::kAlreadyExists);
}

// The time that a recorded wait ends; 0, which is over, when it cannot be read.
int64_t WakeTime(const StepRecord& record) {
  absl::StatusOr<double> wake = DecodeTyped<double>(record.serialization, record.output);
  return wake.ok() ? static_cast<int64_t>(*wake) : 0;
}

// Where a wait ends: as recorded, or from now on, which is recorded under `function_id`.
int64_t RecordWait(WorkflowRun& run, int32_t function_id, const StepRecord* recorded,
                   double timeout_s) {
  if (recorded != nullptr) return WakeTime(*recorded);
  const int64_t deadline_ms = run.services().NowMs() + SecondsToMs(timeout_s);
  StepRecord record = MakeRecord(run, function_id, kSleepName);
  record.output = absl::StrCat(deadline_ms);
  run.AddStep(std::move(record));
  return deadline_ms;
}

}  // namespace

StepRecord MakeRecord(WorkflowRun& run, int32_t function_id, std::string_view name) {
  StepRecord record;
  record.function_id = function_id;
  record.name = std::string(name);
  record.serialization = PortableName();
  record.started_at_ms = run.services().NowMs();
  record.completed_at_ms = record.started_at_ms;
  return record;
}

StepRecord MakeErrorRecord(WorkflowRun& run, const OperationState& operation,
                           const absl::Status& error) {
  StepRecord record = MakeRecord(run, operation.function_id(), operation.name());
  record.error = EncodeStatus(error);
  return record;
}

absl::Status StatusOfResult(const WorkflowResult& result, std::string_view workflow_id) {
  if (result.status == WorkflowStatus::kSuccess) return absl::OkStatus();
  if (result.error.has_value()) {
    // A row of a format that cannot be read was parked with an error in the portable one.
    const PayloadFormat format =
        PayloadFormatFromColumn(result.serialization).value_or(PayloadFormat::kPortableJson);
    absl::StatusOr<WorkflowError> error = DecodeError(format, *result.error);
    return error.ok() ? StatusFromWorkflowError(*error) : error.status();
  }
  if (result.status == WorkflowStatus::kCancelled) {
    return MakeWorkflowError("DBOSAwaitedWorkflowCancelledError",
                             absl::StrCat("the workflow was canceled: id=", AbslView(workflow_id)),
                             {}, nullptr, absl::StatusCode::kCancelled);
  }
  if (result.status == WorkflowStatus::kMaxRecoveryAttemptsExceeded) {
    return MakeWorkflowError("DBOSAwaitedWorkflowExceededMaxRecoveryAttempts",
                             absl::StrCat("the workflow was given up: id=", AbslView(workflow_id)),
                             {}, nullptr, absl::StatusCode::kAborted);
  }
  return absl::UnknownError(absl::StrCat("the workflow failed: id=", AbslView(workflow_id)));
}

// ---- TimedState ---------------------------------------------------------------------------------

int64_t TimedState::NowMs() const { return run().services().NowMs(); }

void TimedState::SetTimer(int64_t wall_ms) {
  CancelTimer();
  const int64_t delay_ms = std::max<int64_t>(wall_ms - NowMs(), 0);
  // Far times are reached in several legs, which also follows jumps of the wall clock.
  constexpr int64_t kLegMs = 3'600'000;
  timer_ = run().services().reactor().CallAfter(std::min(delay_ms, kLegMs) * kNanosPerMilli,
                                                [self = Ref<TimedState>(this), wall_ms] {
                                                  self->timer_.reset();
                                                  if (self->is_abandoned() || self->is_complete())
                                                    return;
                                                  if (self->NowMs() < wall_ms)
                                                    return self->SetTimer(wall_ms);
                                                  self->OnTimer();
                                                });
}

void TimedState::CancelTimer() {
  if (timer_.has_value()) run().services().reactor().CancelTimer(*std::exchange(timer_, {}));
}

// ---- Sleep --------------------------------------------------------------------------------------

void SleepState::Ask(int64_t wake_ms) {
  wake_ms_ = wake_ms;
  StepRecord record = MakeRecord(run(), function_id(), name());
  record.output = absl::StrCat(wake_ms);
  run().AddStep(std::move(record));
  run().Request(*this);
}

// The row says when the sleep ends, so a replay may have to wait for the rest.
bool SleepState::Replay(StepRecord record) {
  wake_ms_ = WakeTime(record);
  if (wake_ms_ <= NowMs()) return true;
  run().Hold(*this);
  SetTimer(wake_ms_);
  return false;
}

void SleepState::Begin() { SetTimer(wake_ms_); }

bool SleepState::EndWait() {
  CancelTimer();
  SetComplete();
  return true;
}

void SleepState::OnTimer() { run().Complete(*this); }

// ---- Effects ------------------------------------------------------------------------------------

void EffectState::Ask(
    std::variant<SendEffect, ReceiveEffect, SetEventEffect, StreamEffect, ChildEffect> action) {
  StepRecord record = MakeRecord(run(), function_id(), name());
  record.output = std::string(kNullText);
  if (auto* send = std::get_if<SendEffect>(&action); send != nullptr) {
    send->missing_destination_error = EncodeStatus(MissingDestination(send->destination_id));
  }
  run().Hold(*this);
  run().AddEffect(Effect{std::move(record), std::move(action)}, *this);
}

void EffectState::AskToFail(const absl::Status& error) {
  StepRecord record = MakeErrorRecord(run(), *this, error);
  run().AddStep(record);
  Replay(std::move(record));
  SetComplete();
}

void EffectState::OnEffect(WorkflowRun&, EffectResult result) {
  if (is_abandoned()) return;
  if (result.outcome == EffectOutcome::kRefused) {
    result.step =
        MakeErrorRecord(run(), *this,
                        MakeWorkflowError("StreamClosed", "the stream is closed", {}, nullptr,
                                          absl::StatusCode::kFailedPrecondition));
    run().AddStep(result.step);
  }
  Replay(std::move(result.step));
  run().Complete(*this);
}

void SetEventState::Ask(std::string key, absl::StatusOr<std::string> text) {
  StepRecord record;
  if (text.ok()) {
    record = MakeRecord(run(), function_id(), name());
    record.output = std::string(kNullText);
    run().AddEffect(
        Effect{record, SetEventEffect{std::move(key), *std::move(text), PortableName()}}, *this);
  } else {
    record = MakeErrorRecord(run(), *this, text.status());
    run().AddStep(record);
  }
  Replay(std::move(record));
  SetComplete();
}

// ---- Receive ------------------------------------------------------------------------------------

void ReceiveState::Ask(int32_t wait_function_id, const StepRecord* wait, double timeout_s) {
  deadline_ms_ = RecordWait(run(), wait_function_id, wait, timeout_s);
  is_last_try_ = deadline_ms_ <= NowMs();
  run().Hold(*this);
  Try();
}

void ReceiveState::Try() {
  CancelTimer();
  is_trying_ = true;
  has_news_ = false;
  StepRecord record = MakeRecord(run(), function_id(), name());
  run().AddEffect(Effect{std::move(record), ReceiveEffect{topic_}}, *this);
}

void ReceiveState::OnEffect(WorkflowRun&, EffectResult result) {
  if (is_abandoned()) return;
  is_trying_ = false;
  if (result.outcome == EffectOutcome::kNoMessage) {
    if (has_news_) return Try();
    if (!is_last_try_) {
      const int64_t poll_ms = SecondsToMs(run().services().message_poll_interval_s());
      return SetTimer(std::min(deadline_ms_, NowMs() + poll_ms));
    }
    result.step = MakeRecord(run(), function_id(), name());
    result.step.output = std::string(kNullText);
    run().AddStep(result.step);
  }
  Replay(std::move(result.step));
  run().Complete(*this);
}

void ReceiveState::OnMessage() {
  has_news_ = true;
  if (!is_trying_) Try();
}

void ReceiveState::OnTimer() {
  is_last_try_ = deadline_ms_ <= NowMs();
  Try();
  run().Pump();
}

// ---- GetEvent -----------------------------------------------------------------------------------

void GetEventState::Ask(int32_t wait_function_id, const StepRecord* wait, double timeout_s) {
  started_at_ms_ = NowMs();
  deadline_ms_ = RecordWait(run(), wait_function_id, wait, timeout_s);
  run().Request(*this);
}

void GetEventState::Begin() {
  watch_ = run().services().WatchEvent(workflow_id_, key_, [self = Ref<GetEventState>(this)] {
    self->has_news_ = true;
    if (!self->is_looking_) self->Look();
  });
  Look();
}

void GetEventState::Look() {
  if (is_abandoned() || is_complete()) return;
  CancelTimer();
  is_looking_ = true;
  has_news_ = false;
  is_last_look_ = deadline_ms_ <= NowMs();
  run().services().journal().GetEvent(
      workflow_id_, key_,
      [self = Ref<GetEventState>(this)](absl::StatusOr<std::optional<Journal::Value>> value) {
        self->OnLooked(std::move(value));
      });
}

void GetEventState::OnLooked(absl::StatusOr<std::optional<Journal::Value>> value) {
  is_looking_ = false;
  if (is_abandoned() || is_complete()) return;
  if (!value.ok()) {  // the database is away: whether the event is there stays open
    return SetTimer(NowMs() + 1'000);
  }
  if (!value->has_value() && !is_last_look_) {
    if (has_news_) return Look();
    return SetTimer(std::min(deadline_ms_, NowMs() + SecondsToMs(kEventPollSeconds)));
  }
  run().services().StopWatchingEvent(std::exchange(watch_, 0));
  Journal::Value found = value->has_value() ? **std::move(value) : NullValue();
  StepRecord record = MakeRecord(run(), function_id(), name());
  record.started_at_ms = started_at_ms_;
  record.output = std::move(found.text);
  if (found.serialization.has_value()) record.serialization = *std::move(found.serialization);
  run().AddStep(record);
  Replay(std::move(record));
  run().Complete(*this);
}

void GetEventState::OnTimer() { Look(); }

void GetEventState::OnAbandoned() {
  TimedState::OnAbandoned();
  if (watch_ != 0) run().services().StopWatchingEvent(std::exchange(watch_, 0));
}

// ---- Children -----------------------------------------------------------------------------------

void ChildStartState::Ask(absl::StatusOr<NewWorkflow> child) {
  if (!child.ok()) {
    StepRecord record = MakeErrorRecord(run(), *this, child.status());
    run().AddStep(record);
    Replay(std::move(record));
    SetComplete();
    return;
  }
  if (child->owner_token.has_value()) {
    owned_ = OwnedWorkflow{child->id,     child->name,          *child->owner_token,
                           child->inputs, child->serialization, child->deadline_ms};
    if (child->timeout_ms.has_value()) {
      owned_->deadline_ms = run().services().NowMs() + *child->timeout_ms;
    }
    deadline_ms_ = owned_->deadline_ms;
  } else {
    queue_name_ = child->queue_name;
    delay_until_ms_ = child->delay_until_ms;
    deadline_ms_ = child->deadline_ms;
  }
  StepRecord record = MakeRecord(run(), function_id(), name());
  record.child_workflow_id = child->id;
  run().Hold(*this);
  run().AddEffect(Effect{std::move(record), ChildEffect{*std::move(child)}}, *this);
}

void ChildStartState::OnEffect(WorkflowRun& parent, EffectResult result) {
  // The child is there now, whatever became of its parent.
  if (result.outcome == EffectOutcome::kApplied) {
    if (owned_.has_value()) {
      parent.services().RunOwned(*std::exchange(owned_, std::nullopt));
    } else if (queue_name_.has_value()) {
      parent.services().OnEnqueued(*queue_name_, delay_until_ms_, deadline_ms_);
    }
  }
  if (is_abandoned()) return;
  if (result.outcome == EffectOutcome::kChildConflict) {
    result.step = MakeErrorRecord(
        run(), *this, ChildConflict(result.step.child_workflow_id.value_or(""), result.child));
    run().AddStep(result.step);
  }
  Replay(std::move(result.step));
  run().Complete(*this);
}

void GetResultState::Ask() { run().Request(*this); }

void GetResultState::Begin() {
  started_at_ms_ = run().services().NowMs();
  wait_ = run().services().AwaitEnd(
      child_id_, [self = Ref<GetResultState>(this)](absl::StatusOr<WorkflowResult> result) {
        self->wait_ = 0;
        if (!self->is_abandoned()) self->OnEnded(std::move(result));
      });
}

void GetResultState::OnAbandoned() {
  if (wait_ != 0) run().services().StopAwaitingEnd(std::exchange(wait_, 0));
}

void GetResultState::OnEnded(absl::StatusOr<WorkflowResult> result) {
  StepRecord record = MakeRecord(run(), function_id(), name());
  record.started_at_ms = started_at_ms_;
  record.child_workflow_id = child_id_;
  if (!result.ok()) {
    record.error = EncodeStatus(result.status());
  } else if (result->status == WorkflowStatus::kSuccess || result->error.has_value()) {
    record.output = std::move(result->output);
    record.error = std::move(result->error);
    record.serialization = result->serialization.value_or("");
  } else {
    record.error = EncodeStatus(StatusOfResult(*result, child_id_));
  }
  run().AddStep(record);
  Replay(std::move(record));
  run().Complete(*this);
}

// ---- Transactions -------------------------------------------------------------------------------

void TransactionState::Ask() { run().Request(*this); }

void TransactionState::Begin() {
  StepRecord step = MakeRecord(run(), function_id(), name());
  run().services().journal().RunTransaction(
      TransactionRequest{run().fence(), std::move(step), body_},
      [self = Ref<TransactionState>(this)](absl::StatusOr<std::optional<StepRecord>> record) {
        if (!self->is_abandoned()) self->OnRecorded(std::move(record));
      });
}

void TransactionState::OnRecorded(absl::StatusOr<std::optional<StepRecord>> record) {
  if (!record.ok()) {
    const absl::StatusCode code = record.status().code();
    if (code == absl::StatusCode::kResourceExhausted) {
      run().services().reactor().CallAfter(kRetryNs, [self = Ref<TransactionState>(this)] {
        if (!self->is_abandoned() && self->run().services().MayStartEffects()) self->Begin();
      });
      return;
    }
    if (code == absl::StatusCode::kPermissionDenied || code == absl::StatusCode::kDataLoss) {
      return run().services().OnWriteRefused(record.status());
    }
    // Nothing was written: the body's error, or what the database has against it.
    record = MakeErrorRecord(run(), *this, record.status());
    run().AddStep(**record);
  }
  if (!record->has_value()) return run().services().OnRunLost(run());
  Replay(**std::move(record));
  run().Complete(*this);
}

}  // namespace holdfast::workflows::internal
