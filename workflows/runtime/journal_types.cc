#include "workflows/runtime/journal_types.h"

#include <array>
#include <utility>

namespace holdfast::workflows {
namespace {

constexpr auto kStatusNames = std::to_array<std::pair<WorkflowStatus, std::string_view>>({
    {WorkflowStatus::kPending, "PENDING"},
    {WorkflowStatus::kEnqueued, "ENQUEUED"},
    {WorkflowStatus::kDelayed, "DELAYED"},
    {WorkflowStatus::kSuccess, "SUCCESS"},
    {WorkflowStatus::kError, "ERROR"},
    {WorkflowStatus::kCancelled, "CANCELLED"},
    {WorkflowStatus::kMaxRecoveryAttemptsExceeded, "MAX_RECOVERY_ATTEMPTS_EXCEEDED"},
});

}  // namespace

std::string_view WorkflowStatusName(WorkflowStatus status) {
  return kStatusNames[static_cast<size_t>(status)].second;
}

std::optional<WorkflowStatus> WorkflowStatusFromName(std::string_view name) {
  for (const auto& [status, text] : kStatusNames) {
    if (text == name) return status;
  }
  return std::nullopt;
}

}  // namespace holdfast::workflows
