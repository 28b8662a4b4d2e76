// Reads. Each is one statement on the control connection.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/postgres/records.h"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

constexpr Statement kGetWorkflow = {"get_workflow", "SELECT " HF_SQL_RECORD_COLUMNS
                                                    " FROM dbos.workflow_status AS w "
                                                    "WHERE w.workflow_uuid = $1::text"};
constexpr Statement kGetWorkflowWithPayloads = {
    "get_workflow_with_payloads",
    "SELECT " HF_SQL_RECORD_COLUMNS ", " HF_SQL_RECORD_PAYLOADS
    " FROM dbos.workflow_status AS w" HF_SQL_PAYLOAD_JOINS " WHERE w.workflow_uuid = $1::text"};
constexpr Statement kListSteps = {"list_steps",
                                  "SELECT " HF_SQL_STEP_COLUMNS
                                  " FROM dbos.operation_outputs AS s "
                                  "WHERE s.workflow_uuid = $1::text ORDER BY s.function_id"};
constexpr Statement kGetEvent = {"get_event",
                                 "SELECT value, serialization FROM dbos.workflow_events "
                                 "WHERE workflow_uuid = $1::text AND key = $2::text"};
constexpr Statement kReadStream = {
    "read_stream",
    "SELECT value, serialization FROM dbos.streams "
    "WHERE workflow_uuid = $1::text AND key = $2::text AND \"offset\" >= $3::int4 "
    "ORDER BY \"offset\" LIMIT $4::int4"};
constexpr Statement kNow = {"now", "SELECT " HF_SQL_NOW_MS};

constexpr int32_t kStreamLimitMax = 10'000;

// Conditions of a listing, joined by AND; each has its parameter's number in place of '#'.
class Conditions {
 public:
  explicit Conditions(Parameters& parameters) : parameters_(parameters) {}
  void AddText(std::string_view condition, const std::optional<std::string>& value) {
    if (!value) return;
    parameters_.Text(*value);
    Append(condition);
  }
  void AddTexts(std::string_view condition, const std::vector<std::string>& values) {
    if (values.empty()) return;
    parameters_.Texts(values);
    Append(condition);
  }
  void AddNumber(std::string_view condition, std::optional<int64_t> value) {
    if (!value) return;
    parameters_.Int8(*value);
    Append(condition);
  }
  void AddPlain(std::string_view condition) {
    absl::StrAppend(&text_, " AND ", std::string(condition));
  }
  const std::string& text() const { return text_; }

 private:
  void Append(std::string_view condition) {
    absl::StrAppend(&text_, " AND ",
                    absl::StrReplaceAll(std::string(condition),
                                        {{"#", absl::StrCat("$", parameters_.count())}}));
  }
  Parameters& parameters_;
  std::string text_;
};

std::string ListSql(const WorkflowFilter& filter, Parameters& parameters) {
  Conditions where(parameters);
  where.AddTexts("w.workflow_uuid = ANY (#::text[])", filter.ids);
  std::vector<std::string> statuses;
  for (const WorkflowStatus status : filter.statuses) {
    statuses.emplace_back(WorkflowStatusName(status));
  }
  where.AddTexts("w.status = ANY (#::text[])", statuses);
  where.AddTexts("w.name = ANY (#::text[])", filter.names);
  where.AddText("starts_with(w.workflow_uuid, #::text)", filter.id_prefix);
  where.AddText("w.queue_name = #::text", filter.queue_name);
  if (filter.is_queued_only) {
    where.AddPlain("w.queue_name IS NOT NULL AND w.status IN ('PENDING', 'ENQUEUED', 'DELAYED')");
  }
  where.AddText("w.executor_id = #::text", filter.executor_id);
  where.AddText("w.application_version = #::text", filter.application_version);
  where.AddText("w.authenticated_user = #::text", filter.authenticated_user);
  where.AddText("w.parent_workflow_id = #::text", filter.parent_workflow_id);
  where.AddText("w.forked_from = #::text", filter.forked_from);
  where.AddText("w.schedule_name = #::text", filter.schedule_name);
  where.AddText("w.attributes @> #::text::jsonb", filter.attributes);
  where.AddNumber("w.created_at >= #::int8", filter.created_from_ms);
  where.AddNumber("w.created_at <= #::int8", filter.created_to_ms);
  parameters.Int4(std::clamp(filter.limit, 0, kListLimitMax)).Int4(std::max(filter.offset, 0));
  const std::string direction = filter.is_newest_first ? "DESC" : "ASC";
  return absl::StrCat(
      "SELECT ", HF_SQL_RECORD_COLUMNS, filter.with_payloads ? ", " HF_SQL_RECORD_PAYLOADS : "",
      " FROM dbos.workflow_status AS w", filter.with_payloads ? HF_SQL_PAYLOAD_JOINS : "",
      " WHERE true", where.text(), " ORDER BY w.created_at ", direction, ", w.workflow_uuid ",
      direction, " LIMIT $", parameters.count() - 1, "::int4 OFFSET $", parameters.count(),
      "::int4");
}

Journal::Value ReadValue(const Rows& rows, int row) {
  return {.text = rows.String(row, 0), .serialization = rows.OptionalString(row, 1)};
}

}  // namespace

void PostgresJournal::GetWorkflow(std::string id, bool with_payloads,
                                  Reply<std::optional<WorkflowRecord>> reply) {
  StatementCall call = {.statement = with_payloads ? kGetWorkflowWithPayloads : kGetWorkflow,
                        .parameters = {}};
  call.parameters.Text(id);
  RunControl(
      {std::move(call)}, /*is_repeatable=*/true,
      [with_payloads, reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
        if (!rows.ok()) return reply(rows.status());
        if ((*rows)[0].count() == 0) return reply(std::nullopt);
        reply(ReadRecord((*rows)[0], 0, with_payloads));
      });
}

void PostgresJournal::ListWorkflows(WorkflowFilter filter,
                                    Reply<std::vector<WorkflowRecord>> reply) {
  StatementCall call;
  const auto sql = std::make_shared<std::string>(ListSql(filter, call.parameters));
  call.statement = {.name = "", .sql = *sql};
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [sql, with_payloads = filter.with_payloads,
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               std::vector<WorkflowRecord> records;
               records.reserve(static_cast<size_t>((*rows)[0].count()));
               for (int row = 0; row < (*rows)[0].count(); ++row) {
                 records.push_back(ReadRecord((*rows)[0], row, with_payloads));
               }
               reply(std::move(records));
             });
}

void PostgresJournal::ListSteps(std::string workflow_id, Reply<std::vector<StepRecord>> reply) {
  StatementCall call = {.statement = kListSteps, .parameters = {}};
  call.parameters.Text(workflow_id);
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               std::vector<StepRecord> steps;
               for (int row = 0; row < (*rows)[0].count(); ++row) {
                 steps.push_back(ReadStep((*rows)[0], row));
               }
               reply(std::move(steps));
             });
}

void PostgresJournal::GetEvent(std::string workflow_id, std::string key,
                               Reply<std::optional<Value>> reply) {
  StatementCall call = {.statement = kGetEvent, .parameters = {}};
  call.parameters.Text(workflow_id).Text(key);
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               if ((*rows)[0].count() == 0) return reply(std::nullopt);
               reply(ReadValue((*rows)[0], 0));
             });
}

void PostgresJournal::ReadStream(std::string workflow_id, std::string key, int32_t offset,
                                 int32_t limit, Reply<std::vector<Value>> reply) {
  StatementCall call = {.statement = kReadStream, .parameters = {}};
  call.parameters.Text(workflow_id)
      .Text(key)
      .Int4(offset)
      .Int4(std::clamp(limit, 0, kStreamLimitMax));
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               std::vector<Value> values;
               for (int row = 0; row < (*rows)[0].count(); ++row) {
                 values.push_back(ReadValue((*rows)[0], row));
               }
               reply(std::move(values));
             });
}

void PostgresJournal::Now(Reply<int64_t> reply) {
  RunControl({{.statement = kNow, .parameters = {}}}, /*is_repeatable=*/true,
             [reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               reply((*rows)[0].Integer(0, 0));
             });
}

}  // namespace holdfast::workflows
