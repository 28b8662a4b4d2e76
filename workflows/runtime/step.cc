#include "workflows/runtime/step.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <typeinfo>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workflows/runtime/duration.h"
#include "workflows/runtime/operations.h"
#include "workflows/runtime/run_services.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows::internal {
namespace {

constexpr std::string_view kRetriesExhaustedName = "DBOSMaxStepRetriesError";

absl::Status RetriesExhausted(const std::string& name, int attempts, const absl::Status& last) {
  return MakeWorkflowError(std::string(kRetriesExhaustedName),
                           absl::StrCat("Step ", name, " has exceeded its maximum of ", attempts,
                                        " retries: ", last.message()),
                           {}, nullptr, last.code());
}

// A predicate that throws has not said yes.
bool IsRetryable(const StepOptions& options, const absl::Status& error) {
  try {
    return !options.is_retryable || options.is_retryable(error);
  } catch (...) {
    return false;
  }
}

}  // namespace

absl::Status StatusFromCurrentException() {
  try {
    throw;
  } catch (const std::exception& error) {
    return MakeWorkflowError("Exception", error.what());
  } catch (...) {
    return MakeWorkflowError("Exception", "an exception that is no std::exception");
  }
}

void ReportUnreadable(OperationState& operation, WorkflowRun& run, const absl::Status& why) {
  run.SetUnreadable(operation.function_id(), operation.name(), why);
}

StepBase::StepBase(WorkflowRun& run, int32_t function_id, std::string_view name,
                   StepOptions options)
    : OperationState(run, function_id, name), options_(std::move(options)) {}

StepBase::~StepBase() = default;

void StepBase::Begin() {
  started_at_ms_ = run().services().NowMs();
  StartAttempt();
}

void StepBase::StartAttempt() {
  RunServices& services = run().services();
  ++attempt_;
  const uint32_t generation = ++generation_;
  const Ref<StepBase> self(this);
  if (options_.attempt_timeout_s.has_value()) {
    timer_ = services.reactor().CallAfter(SecondsToNs(*options_.attempt_timeout_s), [self] {
      self->timer_.reset();
      self->OnAttemptTimeout();
    });
  }
  if (options_.is_blocking) {
    shared_context_ = std::make_shared<StepContext>(std::string(run().id()), function_id(),
                                                    attempt_, services.reactor());
    shared_context_->cancellation();  // made here, so that the pool's thread only reads it
    BlockingJob job = MakeBlockingJob(shared_context_);
    services.pool().Submit(std::move(job.work),
                           [self, generation, take = std::move(job.take)]() mutable {
                             if (self->is_abandoned() || self->generation_ != generation) return;
                             take();
                             self->OnAttemptEnded();
                           });
    return;
  }
  context_.emplace(run().id(), function_id(), attempt_, services.reactor());
  is_in_body_ = true;
  const bool has_ended = StartBody(*context_);
  is_in_body_ = false;
  if (is_abandoned()) {
    DropBody();
  } else if (has_ended) {
    OnAttemptEnded();
  }
}

void StepBase::OnTaskDone(void* step) {
  // The body's frame is still on the stack: look at it in a turn of its own.
  auto* const base = static_cast<StepBase*>(step);
  if (base->is_abandoned()) return;
  base->run().services().reactor().Post(
      [self = Ref<StepBase>(base), generation = base->generation_] {
        if (self->is_abandoned() || self->generation_ != generation) return;
        self->FinishBody();
        self->OnAttemptEnded();
      });
}

void StepBase::OnAbandoned() {
  CancelTimer();
  if (shared_context_ != nullptr) shared_context_->source().Cancel();
  if (context_.has_value()) context_->source().Cancel();
  if (!is_in_body_) DropBody();
}

void StepBase::OnAttemptTimeout() {
  if (is_abandoned()) return;
  ++generation_;
  if (shared_context_ != nullptr) std::exchange(shared_context_, nullptr)->source().Cancel();
  if (context_.has_value()) context_->source().Cancel();
  DropBody();
  SetOutcome(absl::DeadlineExceededError(
      absl::StrCat("attempt timed out: step=", name(), " attempt=", attempt_)));
  Retry();
}

void StepBase::OnAttemptEnded() {
  CancelTimer();
  ++generation_;
  if (outcome().ok()) {
    Record();
  } else {
    Retry();
  }
}

// After a failed attempt.
void StepBase::Retry() {
  const absl::Status error = outcome();
  const bool is_retryable = IsRetryable(options_, error);
  if (options_.max_attempts > 1 && is_retryable) {
    if (attempt_ >= options_.max_attempts) {
      SetOutcome(RetriesExhausted(name(), options_.max_attempts, error));
      return Record();
    }
    double pause_s = options_.interval_s * std::pow(options_.backoff_rate, attempt_ - 1);
    pause_s = std::min(pause_s, options_.interval_s_max);
    if (options_.jitter > 0) {
      pause_s *= 1 + options_.jitter * (2 * run().services().prng().Unit() - 1);
    }
    context_.reset();
    timer_ =
        run().services().reactor().CallAfter(SecondsToNs(pause_s), [self = Ref<StepBase>(this)] {
          self->timer_.reset();
          if (self->is_abandoned() || !self->run().services().MayStartEffects()) return;
          self->StartAttempt();
        });
    return;
  }
  Record();
}

void StepBase::Record() {
  const Ref<StepBase> self(this);
  StepRecord record = MakeRecord(run(), function_id(), name());
  record.started_at_ms = started_at_ms_;
  if (outcome().ok()) {
    absl::StatusOr<std::string> output = EncodeOutput();
    if (output.ok()) {
      record.output = *std::move(output);
    } else {
      SetOutcome(output.status());
    }
  }
  if (absl::Status error = outcome(); !error.ok()) {
    record.error = EncodeStatus(error);
    SetOutcome(RecordedStatus(error));  // what a replay will see
  } else {
    StepContext* const context = shared_context_ != nullptr ? shared_context_.get() : &*context_;
    for (ApplicationRow& row : context->TakeRows()) run().AddRow(std::move(row));
  }
  shared_context_.reset();
  context_.reset();
  run().AddStep(std::move(record));
  run().Complete(*this);
}

void StepBase::CancelTimer() {
  if (timer_.has_value()) run().services().reactor().CancelTimer(*std::exchange(timer_, {}));
}

}  // namespace holdfast::workflows::internal
