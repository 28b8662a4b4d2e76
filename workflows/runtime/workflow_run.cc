#include "workflows/runtime/workflow_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "workflows/runtime/operations.h"
#include "workflows/runtime/text.h"
#include "workflows/runtime/workflow_function.h"

namespace holdfast::workflows::internal {
namespace {

// The name of the error that a parked workflow carries.
constexpr std::string_view kReplayMismatchName = "ReplayMismatch";
constexpr std::string_view kPoisonInputName = "PoisonInput";
constexpr std::string_view kForeignAwaitName = "ForeignAwait";
constexpr std::string_view kRefusedByDatabaseName = "RefusedByDatabase";

// Between two attempts at a commit for which the journal has no room.
constexpr int64_t kCommitRetryNs = 20 * kNanosPerMilli;

Json MismatchData(int32_t function_id, std::string_view recorded, std::string_view actual) {
  return Json{{"function_id", function_id},
              {"recorded", std::string(recorded)},
              {"actual", std::string(actual)}};
}

}  // namespace

WorkflowRun::WorkflowRun(RunServices& services, OwnedWorkflow workflow,
                         std::vector<StepRecord> steps)
    : services_(services),
      fence_{std::move(workflow.id), std::move(workflow.owner_token)},
      name_(std::move(workflow.name)),
      inputs_(std::move(workflow.inputs)),
      serialization_(std::move(workflow.serialization)),
      deadline_ms_(workflow.deadline_ms),
      workflow_(*this),
      recorded_(std::move(steps)) {}

WorkflowRun::~WorkflowRun() { HF_ASSERT(!is_turning_); }

void WorkflowRun::Begin(const WorkflowFunction& function) {
  const std::optional<std::string_view> column =
      serialization_.empty() ? std::nullopt : std::optional<std::string_view>(serialization_);
  is_turning_ = true;
  absl::Status status = [&]() -> absl::Status {
    HF_ASSIGN_OR_RETURN(format_, PayloadFormatFromColumn(column));
    HF_ASSIGN_OR_RETURN(Arguments arguments, DecodeArguments(format_, inputs_));
    inputs_.reset();
    invocation_ = function.MakeInvocation();
    try {
      return invocation_->Begin(workflow_, arguments);
    } catch (...) {  // of copying the inputs; what the coroutine throws stays in its task
      return StatusFromCurrentException();
    }
  }();
  is_turning_ = false;
  if (is_dropped_) {
    invocation_.reset();
    return;
  }
  if (status.ok()) {
    CheckTurn();
  } else {
    Park(MakeWorkflowError(std::string(kPoisonInputName),
                           absl::StrCat("inputs cannot be read: ", status.message()), {}, nullptr,
                           status.code()));
  }
  Pump();
}

void WorkflowRun::Drop(bool keeps_children) {
  const Ref<WorkflowRun> self(this);
  if (!keeps_children) committing_effects_.clear();
  if (std::exchange(is_dropped_, true)) return;
  cancellation_.Cancel();
  DropOperations();
  pending_ = {};
  committing_ = {};
  pending_effects_.clear();
  // A frame is not destroyed under its own feet: Pump and Begin do it when the turn is over.
  if (!is_turning_) invocation_.reset();
}

void WorkflowRun::DropOperations() {
  Operations open = std::exchange(open_, {});
  for (const Ref<OperationState>& operation : open) operation->Abandon();
  awaited_.reset();
  continuation_ = nullptr;
  requested_.clear();
  committing_requests_.clear();
}

void WorkflowRun::OnMessage() {
  const Ref<WorkflowRun> self(this);
  const Operations open = open_;
  for (const Ref<OperationState>& operation : open) {
    if (!operation->is_abandoned() && !operation->is_complete()) operation->OnMessage();
  }
  Pump();
}

// ---- Replay -------------------------------------------------------------------------------------

StepRecord* WorkflowRun::TakeRecorded(int32_t function_id) {
  if (!has_recorded_left() || recorded_[recorded_index_].function_id != function_id) {
    return nullptr;
  }
  return &recorded_[recorded_index_++];
}

const StepRecord* WorkflowRun::PeekRecorded() const {
  return has_recorded_left() ? &recorded_[recorded_index_] : nullptr;
}

bool WorkflowRun::ReplayRecorded(OperationState& operation) {
  if (mismatch_.has_value()) return true;
  StepRecord* const record = TakeRecorded(operation.function_id());
  if (record == nullptr) return false;
  if (record->name != operation.name()) {
    SetMismatch(operation.function_id(), record->name, operation.name());
    return true;
  }
  if (operation.Replay(std::move(*record))) operation.SetComplete();
  return true;
}

void WorkflowRun::SetMismatch(int32_t function_id, std::string_view recorded,
                              std::string_view actual) {
  if (mismatch_.has_value()) return;
  mismatch_ = MakeWorkflowError(
      std::string(kReplayMismatchName),
      absl::StrCat("the workflow's code does not fit its history: function_id=", function_id,
                   " recorded=", AbslView(recorded), " actual=", AbslView(actual)),
      {}, MismatchData(function_id, recorded, actual), absl::StatusCode::kFailedPrecondition);
}

void WorkflowRun::SetUnreadable(int32_t function_id, std::string_view name,
                                const absl::Status& why) {
  if (mismatch_.has_value()) return;
  mismatch_ = MakeWorkflowError(
      std::string(kReplayMismatchName),
      absl::StrCat("a recorded outcome is not of the type that the code asks for: function_id=",
                   function_id, " name=", AbslView(name), ": ", why.message()),
      {}, MismatchData(function_id, name, name), absl::StatusCode::kFailedPrecondition);
}

// ---- Operations ---------------------------------------------------------------------------------

void WorkflowRun::AddEffect(Effect effect, OperationState& operation) {
  pending_.effects.push_back(std::move(effect));
  pending_effects_.emplace_back(&operation);
}

void WorkflowRun::Request(OperationState& operation) {
  Hold(operation);
  requested_.emplace_back(&operation);
}

void WorkflowRun::Complete(OperationState& operation) {
  if (is_dropped_ || is_ending_) return;
  operation.SetComplete();
  const auto found = std::find_if(open_.begin(), open_.end(),
                                  [&](const auto& open) { return open.get() == &operation; });
  // `operation` may be released with this.
  const bool is_awaited = awaited_.get() == &operation;
  if (found != open_.end()) {
    std::swap(*found, open_.back());
    open_.pop_back();
  }
  if (is_awaited) is_turn_due_ = true;
  Pump();
}

void WorkflowRun::Await(OperationState& operation, std::coroutine_handle<> waiter) {
  HF_ASSERT(is_turning_);
  awaited_ = Ref<OperationState>(&operation);
  continuation_ = waiter;
}

// ---- Turns --------------------------------------------------------------------------------------

void WorkflowRun::Pump() {
  if (is_pumping_ || is_dropped_) return;
  const Ref<WorkflowRun> self(this);
  is_pumping_ = true;
  do {
    if (std::exchange(is_turn_due_, false)) Turn();
    Flush();
  } while (is_turn_due_ && !is_dropped_);
  is_pumping_ = false;
  if (is_dropped_) invocation_.reset();
}

void WorkflowRun::Turn() {
  awaited_.reset();
  const std::coroutine_handle<> continuation = std::exchange(continuation_, nullptr);
  is_turning_ = true;
  continuation.resume();
  is_turning_ = false;
  CheckTurn();
}

void WorkflowRun::CheckTurn() {
  if (is_dropped_) return;
  if (mismatch_.has_value()) return Park(*std::exchange(mismatch_, std::nullopt));
  if (invocation_->is_done()) {
    if (const StepRecord* left = PeekRecorded(); left != nullptr) {
      SetMismatch(left->function_id, left->name, "the end of the workflow");
      return Park(*std::exchange(mismatch_, std::nullopt));
    }
    return Finish();
  }
  if (!awaited_) {
    return Park(MakeWorkflowError(std::string(kForeignAwaitName),
                                  "the workflow waits for something that is none of its operations",
                                  {}, nullptr, absl::StatusCode::kFailedPrecondition));
  }
  if (!has_recorded_left()) {
    if (!recorded_.empty()) recorded_ = {};
    recorded_index_ = 0;
    return;
  }
  // The history goes on behind this operation, so it was over in the earlier run. A sleep was
  // recorded when it began; everything else would have left its row.
  if (awaited_->EndWait()) {
    is_turn_due_ = true;
    return;
  }
  const StepRecord& next = recorded_[recorded_index_];
  SetMismatch(next.function_id, next.name,
              absl::StrCat(awaited_->name(), " (", awaited_->function_id(), "), not recorded"));
  Park(*std::exchange(mismatch_, std::nullopt));
}

void WorkflowRun::Finish() {
  absl::StatusOr<std::string> output;
  try {
    output = invocation_->TakeOutput(format_);
  } catch (...) {
    output = StatusFromCurrentException();
  }
  // What was asked for and not awaited does not begin any more; effects stay in the last commit.
  // A message that nobody would get is not taken.
  for (size_t i = pending_.effects.size(); i-- > 0;) {
    if (!std::holds_alternative<ReceiveEffect>(pending_.effects[i].action)) continue;
    pending_.effects.erase(pending_.effects.begin() + static_cast<ptrdiff_t>(i));
    pending_effects_.erase(pending_effects_.begin() + static_cast<ptrdiff_t>(i));
  }
  DropOperations();
  invocation_.reset();
  cancellation_.Cancel();
  is_ending_ = true;
  ::holdfast::workflows::Finish finish;
  if (output.ok()) {
    finish.output = *std::move(output);
  } else {
    finish.status = WorkflowStatus::kError;
    finish.error = EncodeStatus(format_, output.status());
  }
  pending_.finish = std::move(finish);
}

void WorkflowRun::Park(absl::Status reason) {
  services_.OnRunParked(*this, reason);
  if (is_dropped_) return;
  DropOperations();
  invocation_.reset();
  cancellation_.Cancel();
  is_ending_ = true;
  is_turn_due_ = false;
  pending_ = {};
  pending_effects_.clear();
  pending_.finish = ::holdfast::workflows::Finish{WorkflowStatus::kMaxRecoveryAttemptsExceeded,
                                                  std::nullopt, EncodeStatus(format_, reason)};
}

void WorkflowRun::Flush() {
  if (is_committing_ || is_dropped_) return;
  const bool has_records = !pending_.steps.empty() || !pending_.effects.empty() ||
                           !pending_.application_rows.empty() || pending_.finish.has_value();
  if (!has_records) {
    if (!requested_.empty()) BeginAll(std::exchange(requested_, {}));
    return;
  }
  is_committing_ = true;
  committing_requests_ = std::exchange(requested_, {});
  committing_effects_ = std::exchange(pending_effects_, {});
  pending_.fence = fence_;
  std::sort(pending_.steps.begin(), pending_.steps.end(),
            [](const StepRecord& a, const StepRecord& b) { return a.function_id < b.function_id; });
  committing_ = std::exchange(pending_, {});
  SendCommit();
}

void WorkflowRun::SendCommit() {
  services_.journal().Commit(committing_,
                             [self = Ref<WorkflowRun>(this)](absl::StatusOr<CommitResult> result) {
                               self->OnCommitted(std::move(result));
                             });
}

void WorkflowRun::BeginAll(Operations operations) {
  if (!services_.MayStartEffects()) return;
  for (const Ref<OperationState>& operation : operations) {
    if (is_dropped_ || is_ending_) return;
    if (!operation->is_abandoned()) operation->Begin();
  }
}

void WorkflowRun::OnCommitted(absl::StatusOr<CommitResult> result) {
  const Ref<WorkflowRun> self(this);
  if (absl::IsResourceExhausted(result.status()) && !is_dropped_) {
    // Nothing was written. What was done must not be forgotten for that: again, until there is
    // room.
    services_.reactor().CallAfter(kCommitRetryNs, [self] {
      if (!self->is_dropped_) self->SendCommit();
    });
    return;
  }
  is_committing_ = false;
  WorkflowCommit committed = std::exchange(committing_, {});
  const Operations effects = std::exchange(committing_effects_, {});
  const bool is_durable = result.ok() && result->is_durable;
  is_pumping_ = true;  // one flush for everything that the answers set off
  if (is_durable) {
    HF_ASSERT(effects.empty() || effects.size() == result->effects.size());
    for (size_t i = 0; i < effects.size(); ++i) {
      effects[i]->OnEffect(*this, std::move(result->effects[i]));
    }
  }
  if (is_dropped_ || !is_durable || (is_ending_ && !pending_.finish.has_value())) {
    is_pumping_ = false;
    if (is_dropped_) return invocation_.reset();
    if (!result.ok()) return OnCommitRefused(result.status());
    if (!result->is_durable) return services_.OnRunLost(*this);
    ::holdfast::workflows::Finish& finish = *committed.finish;
    return services_.OnRunEnded(
        *this, WorkflowResult{finish.status, std::move(finish.output), std::move(finish.error),
                              std::string(PayloadFormatName(format_))});
  }
  BeginAll(std::exchange(committing_requests_, {}));
  is_pumping_ = false;
  if (is_dropped_) return invocation_.reset();
  Pump();
}

void WorkflowRun::OnCommitRefused(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return services_.OnWriteRefused(status);
  // The database will never take what this run recorded. Its end without those rows may still be
  // recorded; if not even that, somebody has to look.
  if (std::exchange(is_refused_, true)) return services_.OnRunLost(*this);
  Park(MakeWorkflowError(std::string(kRefusedByDatabaseName),
                         absl::StrCat("the database refuses what was recorded: ", status.message()),
                         {}, nullptr, absl::StatusCode::kInvalidArgument));
  Pump();
}

}  // namespace holdfast::workflows::internal
