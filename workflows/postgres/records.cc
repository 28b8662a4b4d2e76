#include "workflows/postgres/records.h"

namespace holdfast::workflows {
namespace {

// Walks the columns of one row from left to right.
class Columns {
 public:
  Columns(const Rows& rows, int row, int first = 0) : rows_(rows), row_(row), column_(first) {}
  std::string Text() { return rows_.String(row_, column_++); }
  std::optional<std::string> OptionalText() { return rows_.OptionalString(row_, column_++); }
  std::optional<int64_t> Number() { return rows_.OptionalInteger(row_, column_++); }
  bool Bool() { return rows_.Bool(row_, column_++); }

 private:
  const Rows& rows_;
  int row_;
  int column_;
};

}  // namespace

WorkflowRecord ReadRecord(const Rows& rows, int row, bool has_payloads) {
  Columns columns(rows, row);
  WorkflowRecord record;
  record.id = columns.Text();
  record.status = WorkflowStatusFromName(columns.Text()).value_or(WorkflowStatus::kError);
  record.name = columns.Text();
  record.class_name = columns.OptionalText();
  record.config_name = columns.OptionalText();
  record.serialization = columns.OptionalText();
  record.executor_id = columns.OptionalText();
  record.owner_token = columns.OptionalText();
  record.queue_name = columns.OptionalText();
  record.queue_partition_key = columns.OptionalText();
  record.deduplication_id = columns.OptionalText();
  record.priority = static_cast<int32_t>(columns.Number().value_or(0));
  record.application_version = columns.OptionalText();
  record.application_name = columns.OptionalText();
  record.recovery_attempts = columns.Number().value_or(0);
  record.created_at_ms = columns.Number().value_or(0);
  record.updated_at_ms = columns.Number().value_or(0);
  record.started_at_ms = columns.Number();
  record.completed_at_ms = columns.Number();
  record.timeout_ms = columns.Number();
  record.deadline_ms = columns.Number();
  record.delay_until_ms = columns.Number();
  record.parent_workflow_id = columns.OptionalText();
  record.forked_from = columns.OptionalText();
  record.was_forked_from = columns.Bool();
  record.schedule_name = columns.OptionalText();
  record.attributes = columns.OptionalText();
  record.authenticated_user = columns.OptionalText();
  record.assumed_role = columns.OptionalText();
  record.authenticated_roles = columns.OptionalText();
  if (has_payloads) {
    Columns payloads(rows, row, kRecordColumnCount);
    record.inputs = payloads.OptionalText();
    record.output = payloads.OptionalText();
    record.error = payloads.OptionalText();
  }
  return record;
}

StepRecord ReadStep(const Rows& rows, int row) {
  Columns columns(rows, row, 1);
  StepRecord step;
  step.function_id = static_cast<int32_t>(columns.Number().value_or(0));
  step.name = columns.Text();
  step.output = columns.OptionalText();
  step.error = columns.OptionalText();
  step.child_workflow_id = columns.OptionalText();
  step.serialization = columns.OptionalText().value_or("");
  step.started_at_ms = columns.Number().value_or(0);
  step.completed_at_ms = columns.Number().value_or(0);
  return step;
}

}  // namespace holdfast::workflows
