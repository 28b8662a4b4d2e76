// Operator calls that go back in a workflow's history: fork and rewind. Each is one transaction
// that first locks the workflow, so that what is copied or undone is one state of it.

#include <utility>

#include "workflows/postgres/operation_statements.h"
#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {
namespace {

// $1 original, $2 fork, $3 first step that is not copied, $4 token of this insert, $5 queue,
// $6 partition, $7 version, $8 timeout. Everything hangs on the row that was made just now, so a
// repetition finds its token there and changes nothing.
constexpr Statement kFork = {
    "fork",
    "WITH original AS MATERIALIZED (SELECT w.*, coalesce(i.inputs, w.inputs) AS all_inputs "
    "FROM dbos.workflow_status AS w LEFT JOIN dbos.workflow_input AS i USING (workflow_uuid) "
    "WHERE w.workflow_uuid = $1::text), "
    "made AS (INSERT INTO dbos.workflow_status (workflow_uuid, status, name, class_name, "
    "config_name, queue_name, queue_partition_key, authenticated_user, assumed_role, "
    "authenticated_roles, application_version, application_id, application_name, inputs, "
    "serialization, attributes, workflow_timeout_ms, forked_from, creator_xid, created_at, "
    "updated_at) "
    "SELECT $2::text, 'ENQUEUED', o.name, o.class_name, o.config_name, $5::text, $6::text, "
    "o.authenticated_user, o.assumed_role, o.authenticated_roles, "
    "coalesce($7::text, o.application_version), o.application_id, o.application_name, "
    "o.all_inputs, o.serialization, o.attributes, $8::int8, o.workflow_uuid, "
    "$4::text, " HF_SQL_NOW_MS ", " HF_SQL_NOW_MS
    " FROM original AS o "
    "ON CONFLICT (workflow_uuid) DO NOTHING RETURNING workflow_uuid, application_name), "
    "marked AS (UPDATE dbos.workflow_status AS w SET was_forked_from = true FROM made "
    "WHERE w.workflow_uuid = $1::text), "
    "steps AS (INSERT INTO dbos.operation_outputs (workflow_uuid, function_id, function_name, "
    "output, error, child_workflow_id, serialization, started_at_epoch_ms, "
    "completed_at_epoch_ms, application_name) "
    "SELECT m.workflow_uuid, s.function_id, s.function_name, s.output, s.error, "
    "s.child_workflow_id, s.serialization, s.started_at_epoch_ms, s.completed_at_epoch_ms, "
    "m.application_name FROM made AS m CROSS JOIN dbos.operation_outputs AS s "
    "WHERE s.workflow_uuid = $1::text AND s.function_id < $3::int4), "
    "streams AS (INSERT INTO dbos.streams "
    "(workflow_uuid, key, value, serialization, \"offset\", function_id) "
    "SELECT m.workflow_uuid, t.key, t.value, t.serialization, t.\"offset\", t.function_id "
    "FROM made AS m CROSS JOIN dbos.streams AS t "
    "WHERE t.workflow_uuid = $1::text AND t.function_id < $3::int4), "
    "history AS (INSERT INTO dbos.workflow_events_history "
    "(workflow_uuid, function_id, key, value, serialization) "
    "SELECT m.workflow_uuid, h.function_id, h.key, h.value, h.serialization "
    "FROM made AS m CROSS JOIN dbos.workflow_events_history AS h "
    "WHERE h.workflow_uuid = $1::text AND h.function_id < $3::int4), "
    "events AS (INSERT INTO dbos.workflow_events (workflow_uuid, key, value, serialization) "
    "SELECT DISTINCT ON (h.key) m.workflow_uuid, h.key, h.value, h.serialization "
    "FROM made AS m CROSS JOIN dbos.workflow_events_history AS h "
    "WHERE h.workflow_uuid = $1::text AND h.function_id < $3::int4 "
    "ORDER BY h.key, h.function_id DESC) "
    "SELECT EXISTS (SELECT FROM original), EXISTS (SELECT FROM made) OR EXISTS (SELECT FROM "
    "dbos.workflow_status AS w WHERE w.workflow_uuid = $2::text AND w.creator_xid = $4::text)"};

// ---- Rewind: $1 workflow, $2 first step that is undone ------------------------------------------

// The row is locked: every statement of the transaction sees the same answer.
#define HF_SQL_MAY_REWIND                                                           \
  "EXISTS (SELECT FROM dbos.workflow_status AS w WHERE w.workflow_uuid = $1::text " \
  "AND w.status NOT IN ('PENDING', 'ENQUEUED', 'DELAYED')) "
#define HF_SQL_IS_UNDONE(key)                                                               \
  "EXISTS (SELECT FROM dbos.workflow_events_history AS u WHERE u.workflow_uuid = $1::text " \
  "AND u.key = " key " AND u.function_id >= $2::int4) "

// An event shows again what was set before the step; one that was not set before goes.
constexpr Statement kForgetEvents = {
    "rewind_forget_events",
    "DELETE FROM dbos.workflow_events AS e WHERE e.workflow_uuid = $1::text "
    "AND " HF_SQL_IS_UNDONE("e.key") "AND " HF_SQL_MAY_REWIND};
constexpr Statement kRestoreEvents = {
    "rewind_restore_events",
    "INSERT INTO dbos.workflow_events (workflow_uuid, key, value, serialization) "
    "SELECT DISTINCT ON (h.key) h.workflow_uuid, h.key, h.value, h.serialization "
    "FROM dbos.workflow_events_history AS h WHERE h.workflow_uuid = $1::text "
    "AND h.function_id < $2::int4 AND " HF_SQL_IS_UNDONE(
        "h.key") "AND " HF_SQL_MAY_REWIND "ORDER BY h.key, h.function_id DESC"};
constexpr Statement kForgetHistory = {
    "rewind_forget_history",
    "DELETE FROM dbos.workflow_events_history AS h WHERE h.workflow_uuid = $1::text "
    "AND h.function_id >= $2::int4 AND " HF_SQL_MAY_REWIND};
// Who has read a stream keeps what it read: values stay, but the stream is open again.
constexpr Statement kReopenStreams = {
    "rewind_reopen_streams",
    "DELETE FROM dbos.streams AS t WHERE t.workflow_uuid = $1::text "
    "AND t.function_id >= $2::int4 AND t.value = '\"__DBOS_STREAM_CLOSED__\"' "
    "AND " HF_SQL_MAY_REWIND};
constexpr Statement kForgetSteps = {
    "rewind_forget_steps",
    "DELETE FROM dbos.operation_outputs AS s WHERE s.workflow_uuid = $1::text "
    "AND s.function_id >= $2::int4 AND " HF_SQL_MAY_REWIND};
constexpr Statement kForgetMessages = {
    "rewind_forget_messages",
    "DELETE FROM dbos.notifications AS m WHERE m.destination_uuid = $1::text "
    "AND (NOT m.consumed OR m.consumed_by_function_id >= $2::int4) AND " HF_SQL_MAY_REWIND};
constexpr Statement kForgetOutput = {
    "rewind_forget_output",
    "DELETE FROM dbos.workflow_output AS o WHERE o.workflow_uuid = $1::text "
    "AND $2::int4 >= 0 AND " HF_SQL_MAY_REWIND};
constexpr Statement kEnqueueAgain = {
    "rewind_enqueue",
    "UPDATE dbos.workflow_status AS w SET status = 'ENQUEUED', owner_xid = NULL, "
    "queue_name = $3::text, queue_partition_key = NULL, recovery_attempts = 0, "
    "workflow_deadline_epoch_ms = NULL, deduplication_id = NULL, started_at_epoch_ms = NULL, "
    "completed_at = NULL, output = NULL, error = NULL, updated_at = " HF_SQL_NOW_MS
    " "
    "WHERE w.workflow_uuid = $1::text AND $2::int4 >= 0 "
    "AND w.status NOT IN ('PENDING', 'ENQUEUED', 'DELAYED')"};

}  // namespace

void PostgresJournal::Fork(ForkRequest request, StatusReply reply) {
  std::string queue = request.queue_name.value_or(std::string(kInternalQueueName));
  std::vector<StatementCall> calls(2);
  calls[0].statement = statements::kLockWorkflow;
  calls[0].parameters.Text(request.original_id);
  calls[1].statement = kFork;
  calls[1]
      .parameters.Text(request.original_id)
      .Text(request.new_id)
      .Int4(request.start_step)
      .Text(MintToken())
      .Text(queue)
      .OptionalText(request.queue_partition_key)
      .OptionalText(request.application_version)
      .Int8(request.timeout_ms);
  RunControl(std::move(calls), /*is_repeatable=*/true,
             [this, original_id = std::move(request.original_id),
              new_id = std::move(request.new_id), queue = std::move(queue),
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               const Rows& forked = (*rows)[1];
               if (!forked.Bool(0, 0)) return reply(NotFound("workflow to fork", original_id));
               if (!forked.Bool(0, 1)) {
                 return reply(absl::AlreadyExistsError(absl::StrCat("fork exists: id=", new_id)));
               }
               news_->Queue(queue);
               reply(absl::OkStatus());
             });
}

void PostgresJournal::Rewind(std::string id, int32_t start_step, StatusReply reply) {
  if (start_step < 0) {
    reactor_.Post([start_step, reply = std::move(reply)]() mutable {
      reply(absl::InvalidArgumentError(absl::StrCat("start_step=", start_step)));
    });
    return;
  }
  std::vector<StatementCall> calls;
  calls.push_back({.statement = statements::kLockWorkflow, .parameters = {}});
  calls.back().parameters.Text(id);
  for (const Statement& statement : {kForgetEvents, kRestoreEvents, kForgetHistory, kReopenStreams,
                                     kForgetSteps, kForgetMessages, kForgetOutput, kEnqueueAgain}) {
    calls.push_back({.statement = statement, .parameters = {}});
    calls.back().parameters.Text(id).Int4(start_step);
  }
  calls.back().parameters.Text(kInternalQueueName);
  // Not repeatable: the second time it would be refused, as the workflow waits in a queue.
  RunControl(std::move(calls), /*is_repeatable=*/false,
             [this, id = std::move(id),
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               const Rows& locked = rows->front();
               if (locked.count() == 0) return reply(NotFound("workflow to rewind", id));
               if (rows->back().AffectedCount() == 0) {
                 return reply(absl::FailedPreconditionError(absl::StrCat(
                     "workflow has not ended: id=", id, " status=", locked.String(0, 0))));
               }
               news_->Queue(kInternalQueueName);
               reply(absl::OkStatus());
             });
}

}  // namespace holdfast::workflows
