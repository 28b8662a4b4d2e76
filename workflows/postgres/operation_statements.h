#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "workflows/postgres/statements.h"

// What the operator calls share.
namespace holdfast::workflows {
namespace statements {

// In the order in which batches lock, so that neither waits for the other.
inline constexpr Statement kLockWorkflow = {
    "lock_workflow",
    "SELECT w.status FROM dbos.workflow_status AS w WHERE w.workflow_uuid = $1::text "
    "FOR NO KEY UPDATE"};
inline constexpr Statement kLockWorkflowsToDelete = {
    "lock_workflows_to_delete",
    "SELECT FROM dbos.workflow_status AS w WHERE w.workflow_uuid = ANY ($1::text[]) "
    "ORDER BY w.workflow_uuid COLLATE \"C\" FOR UPDATE"};

}  // namespace statements

inline absl::Status NotFound(std::string_view what, const std::string& id) {
  return absl::NotFoundError(absl::StrCat(std::string(what), " does not exist: id=", id));
}

}  // namespace holdfast::workflows
