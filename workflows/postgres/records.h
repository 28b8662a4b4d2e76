#pragma once

#include <string>

#include "workflows/postgres/rows.h"
#include "workflows/runtime/journal_types.h"

// Rows of dbos.workflow_status and dbos.operation_outputs as the contract's records.
namespace holdfast::workflows {

// Column lists of a SELECT with `w` for workflow_status; the second for a query that joins
// workflow_input as `i` and workflow_output as `o`.
#define HF_SQL_RECORD_COLUMNS                                                                   \
  "w.workflow_uuid, w.status, w.name, w.class_name, w.config_name, w.serialization, "           \
  "w.executor_id, w.owner_xid, w.queue_name, w.queue_partition_key, w.deduplication_id, "       \
  "w.priority, w.application_version, w.application_name, w.recovery_attempts, w.created_at, "  \
  "w.updated_at, w.started_at_epoch_ms, w.completed_at, w.workflow_timeout_ms, "                \
  "w.workflow_deadline_epoch_ms, w.delay_until_epoch_ms, w.parent_workflow_id, w.forked_from, " \
  "w.was_forked_from, w.schedule_name, w.attributes, w.authenticated_user, w.assumed_role, "    \
  "w.authenticated_roles, w.creator_xid"
#define HF_SQL_RECORD_PAYLOADS \
  "coalesce(i.inputs, w.inputs), coalesce(o.output, w.output), coalesce(o.error, w.error)"
#define HF_SQL_PAYLOAD_JOINS                                                 \
  " LEFT JOIN dbos.workflow_input AS i ON i.workflow_uuid = w.workflow_uuid" \
  " LEFT JOIN dbos.workflow_output AS o ON o.workflow_uuid = w.workflow_uuid"

inline constexpr int kRecordColumnCount = 31;
inline constexpr int kRecordCreatorColumn = 30;

// A status that no release has written reads as kError: terminal, and nobody's to run.
WorkflowRecord ReadRecord(const Rows& rows, int row, bool has_payloads);

#define HF_SQL_STEP_COLUMNS                                              \
  "s.workflow_uuid, s.function_id, s.function_name, s.output, s.error, " \
  "s.child_workflow_id, s.serialization, s.started_at_epoch_ms, s.completed_at_epoch_ms"

// The workflow's id is column 0.
StepRecord ReadStep(const Rows& rows, int row);

}  // namespace holdfast::workflows
