#include "workflows/runtime/operation.h"

#include <utility>

#include "workflows/runtime/journal.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows::internal {

RefCounted::~RefCounted() = default;

OperationState::~OperationState() = default;

void OperationState::OnEffect(WorkflowRun&, EffectResult) {}

void OperationState::Await(std::coroutine_handle<> waiter) {
  if (run_ != nullptr) run_->Await(*this, waiter);
}

absl::Status RecordedError(const StepRecord& record) {
  if (!record.error.has_value()) return absl::OkStatus();
  const absl::StatusOr<PayloadFormat> format = PayloadFormatFromColumn(record.serialization);
  if (!format.ok()) return format.status();
  absl::StatusOr<WorkflowError> error = DecodeError(*format, *record.error);
  return error.ok() ? StatusFromWorkflowError(*error) : error.status();
}

std::string EncodeStatus(PayloadFormat format, const absl::Status& status) {
  return EncodeError(format, WorkflowErrorFromStatus(status));
}

std::string EncodeStatus(const absl::Status& status) {
  return EncodeStatus(PayloadFormat::kPortableJson, status);
}

}  // namespace holdfast::workflows::internal
