// Operator calls on workflows: send, cancel, resume, priority, delay, delete, retention. Each is a
// list of statements in one transaction on the control connection, that changes the columns that
// DBOS's clients change in the same call. Rows are locked in the order in which batches lock them.

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "workflows/postgres/batch_columns.h"
#include "workflows/postgres/operation_statements.h"
#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {
namespace {

constexpr int32_t kRetainRowsMax = 10'000;

// The destination cannot go away before the message is there.
constexpr Statement kSend = {
    "send",
    "WITH destination AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE w.workflow_uuid = $1::text FOR KEY SHARE), sent AS (INSERT INTO dbos.notifications "
    "(message_uuid, destination_uuid, topic, message, serialization, created_at_epoch_ms) "
    "SELECT $5::text, d.workflow_uuid, $2::text, $3::text, $4::text, " HF_SQL_NOW_MS
    " FROM destination AS d ON CONFLICT (message_uuid) DO NOTHING) "
    "SELECT count(*) FROM destination"};

constexpr Statement kCancel = {
    "cancel",
    "WITH chosen AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE w.workflow_uuid = ANY ($1::text[]) AND w.status NOT IN ('SUCCESS', 'ERROR') "
    "ORDER BY w.workflow_uuid COLLATE \"C\" FOR NO KEY UPDATE) "
    "UPDATE dbos.workflow_status AS w SET status = 'CANCELLED', owner_xid = NULL, "
    "queue_name = NULL, deduplication_id = NULL, started_at_epoch_ms = NULL, "
    "completed_at = " HF_SQL_NOW_MS ", updated_at = " HF_SQL_NOW_MS
    " "
    "FROM chosen AS c WHERE w.workflow_uuid = c.workflow_uuid RETURNING w.workflow_uuid"};

constexpr Statement kChildren = {"children",
                                 "SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
                                 "WHERE w.parent_workflow_id = ANY ($1::text[])"};

constexpr Statement kDescendants = {
    "descendants",
    "WITH RECURSIVE family (id) AS (SELECT unnest($1::text[]) UNION "
    "SELECT w.workflow_uuid FROM family AS f JOIN dbos.workflow_status AS w "
    "ON w.parent_workflow_id = f.id) SELECT f.id FROM family AS f"};

constexpr Statement kResume = {
    "resume",
    "WITH chosen AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE w.workflow_uuid = ANY ($1::text[]) AND w.status NOT IN ('SUCCESS', 'ERROR') "
    "ORDER BY w.workflow_uuid COLLATE \"C\" FOR NO KEY UPDATE) "
    "UPDATE dbos.workflow_status AS w SET status = 'ENQUEUED', owner_xid = NULL, "
    "queue_name = $2::text, recovery_attempts = 0, workflow_deadline_epoch_ms = NULL, "
    "deduplication_id = NULL, started_at_epoch_ms = NULL, completed_at = NULL, "
    "updated_at = " HF_SQL_NOW_MS
    " "
    "FROM chosen AS c WHERE w.workflow_uuid = c.workflow_uuid RETURNING w.workflow_uuid"};

constexpr Statement kSetPriority = {
    "set_priority",
    "WITH changed AS (UPDATE dbos.workflow_status AS w SET priority = $2::int4, "
    "updated_at = " HF_SQL_NOW_MS
    " WHERE w.workflow_uuid = $1::text "
    "AND w.status IN ('ENQUEUED', 'DELAYED') RETURNING w.status, w.queue_name) "
    "SELECT w.status, c.status, c.queue_name FROM dbos.workflow_status AS w "
    "LEFT JOIN changed AS c ON true WHERE w.workflow_uuid = $1::text"};

constexpr Statement kSetDelay = {
    "set_delay",
    "WITH changed AS (UPDATE dbos.workflow_status AS w SET delay_until_epoch_ms = $2::int8, "
    "updated_at = " HF_SQL_NOW_MS
    " WHERE w.workflow_uuid = $1::text "
    "AND w.status = 'DELAYED' RETURNING w.status, w.queue_name) "
    "SELECT w.status, c.status, c.queue_name FROM dbos.workflow_status AS w "
    "LEFT JOIN changed AS c ON true WHERE w.workflow_uuid = $1::text"};

// The payload tables have no foreign key; the rest goes with the status row.
constexpr Statement kDeletePayloads = {
    "delete_payloads",
    "WITH inputs AS (DELETE FROM dbos.workflow_input AS t WHERE t.workflow_uuid = ANY "
    "($1::text[])), "
    "outputs AS (DELETE FROM dbos.workflow_output AS t WHERE t.workflow_uuid = ANY ($1::text[])) "
    "DELETE FROM dbos.operation_outputs AS t WHERE t.workflow_uuid = ANY ($1::text[])"};
constexpr Statement kDeleteWorkflows = {
    "delete_workflows",
    "DELETE FROM dbos.workflow_status AS w WHERE w.workflow_uuid = ANY ($1::text[]) "
    "RETURNING w.workflow_uuid"};

#define HF_SQL_ENDED \
  "w.completed_at IS NOT NULL AND w.status NOT IN ('PENDING', 'ENQUEUED', 'DELAYED') "

// $1 time, $2 count, $3 rows. Who does not get the lock leaves the work to who has it: the key is
// that of DBOS's own retention (the first eight bytes of sha256 of 'dbos.retention.dbos').
// `surplus` is the newest row beyond the count; what has ended before it goes. Rows that somebody
// is resuming or rewinding are passed over.
constexpr Statement kRetain = {
    "retain",
    "WITH held AS MATERIALIZED (SELECT pg_try_advisory_xact_lock((('x' || left(encode(sha256("
    "'dbos.retention.dbos'), 'hex'), 16))::bit(64))::int8) AS is_held), "
    "surplus AS MATERIALIZED (SELECT w.completed_at, w.workflow_uuid FROM dbos.workflow_status AS "
    "w "
    "WHERE (SELECT h.is_held FROM held AS h) AND $2::int8 IS NOT NULL AND " HF_SQL_ENDED
    "ORDER BY w.completed_at DESC, w.workflow_uuid COLLATE \"C\" DESC OFFSET $2::int8 LIMIT 1), "
    "doomed AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE (SELECT h.is_held FROM held AS h) AND " HF_SQL_ENDED
    "AND w.completed_at <= greatest($1::int8 - 1, (SELECT s.completed_at FROM surplus AS s)) "
    "AND (w.completed_at < $1::int8 OR (w.completed_at, w.workflow_uuid COLLATE \"C\") <= "
    "(SELECT s.completed_at, s.workflow_uuid COLLATE \"C\" FROM surplus AS s)) "
    "ORDER BY w.completed_at, w.workflow_uuid COLLATE \"C\" LIMIT $3::int4 "
    "FOR UPDATE SKIP LOCKED), "
    "list AS MATERIALIZED (SELECT array_agg(d.workflow_uuid) AS ids FROM doomed AS d), "
    "inputs AS (DELETE FROM dbos.workflow_input AS t "
    "WHERE t.workflow_uuid = ANY ((SELECT l.ids FROM list AS l)::text[])), "
    "outputs AS (DELETE FROM dbos.workflow_output AS t "
    "WHERE t.workflow_uuid = ANY ((SELECT l.ids FROM list AS l)::text[])), "
    "steps AS (DELETE FROM dbos.operation_outputs AS t "
    "WHERE t.workflow_uuid = ANY ((SELECT l.ids FROM list AS l)::text[])), "
    "gone AS (DELETE FROM dbos.workflow_status AS w "
    "WHERE w.workflow_uuid = ANY ((SELECT l.ids FROM list AS l)::text[]) "
    "RETURNING w.workflow_uuid) "
    "SELECT count(*) FROM gone"};

// Ids of messages without an idempotency key sort by the time of their send in this process; the
// order between processes is that of the database's clock, in milliseconds, before it.
std::string MessageId(const Clock& clock, Prng& prng) {
  return absl::StrFormat("%016x-%016x", clock.MonotonicNs(), prng.Next());
}

std::vector<std::string> Strings(const Rows& rows) {
  std::vector<std::string> strings;
  strings.reserve(static_cast<size_t>(rows.count()));
  for (int row = 0; row < rows.count(); ++row) strings.push_back(rows.String(row, 0));
  return strings;
}

}  // namespace

void PostgresJournal::Send(SendEffect message, StatusReply reply) {
  StatementCall call = {.statement = kSend, .parameters = {}};
  const std::string topic = message.topic ? *message.topic : std::string(kNoTopic);
  call.parameters.Text(message.destination_id)
      .Text(topic)
      .Text(message.message)
      .Text(message.serialization)
      .Text(message.message_id ? absl::StrCat(*message.message_id, "::", message.destination_id)
                               : MessageId(reactor_.clock(), prng_));
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [this, id = std::move(message.destination_id), topic,
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               if ((*rows)[0].Integer(0, 0) == 0)
                 return reply(NotFound("destination workflow", id));
               news_->Message(id, topic);
               reply(absl::OkStatus());
             });
}

// ---- Cancel -------------------------------------------------------------------------------------

// A cancellation on its way down the family.
struct PostgresJournal::CancelCall {
  bool with_children = false;
  absl::flat_hash_set<std::string> seen_ids;
  int64_t count = 0;
  Reply<int64_t> reply;
};

void PostgresJournal::Cancel(std::vector<std::string> ids, bool with_children,
                             Reply<int64_t> reply) {
  auto call = std::make_shared<CancelCall>();
  call->with_children = with_children;
  call->seen_ids.insert(ids.begin(), ids.end());
  call->reply = std::move(reply);
  CancelLevel(std::move(call), std::move(ids));
}

// One transaction a level. The children are looked up after their parents were canceled: a parent
// that is at work cannot start another one meanwhile.
void PostgresJournal::CancelLevel(std::shared_ptr<CancelCall> call, std::vector<std::string> ids) {
  std::vector<StatementCall> calls;
  calls.push_back({.statement = kCancel, .parameters = {}});
  calls.back().parameters.Texts(ids);
  if (call->with_children) {
    calls.push_back({.statement = kChildren, .parameters = {}});
    calls.back().parameters.Texts(ids);
  }
  RunControl(std::move(calls), /*is_repeatable=*/true,
             [this, call = std::move(call)](absl::StatusOr<std::vector<Rows>> rows) {
               if (!rows.ok()) return call->reply(rows.status());
               const std::weak_ptr<int> alive = alive_;
               for (const std::string& id : Strings((*rows)[0])) {
                 ++call->count;
                 announced_ids_.erase(id);
                 news_->Changed(id);
                 if (alive.expired()) return;
                 news_->Ended(id, /*is_remote_interested=*/true);
                 if (alive.expired()) return;
               }
               std::vector<std::string> children;
               if (call->with_children) children = Strings((*rows)[1]);
               std::erase_if(children, [&call](const std::string& id) {
                 return !call->seen_ids.insert(id).second;
               });
               if (children.empty()) return call->reply(call->count);
               CancelLevel(call, std::move(children));
             });
}

void PostgresJournal::Resume(std::vector<std::string> ids, std::optional<std::string> queue_name,
                             Reply<int64_t> reply) {
  std::string queue = queue_name.value_or(std::string(kInternalQueueName));
  StatementCall call = {.statement = kResume, .parameters = {}};
  call.parameters.Texts(ids).Text(queue);
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [this, queue = std::move(queue),
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               const Rows& resumed = (*rows)[0];
               if (resumed.count() > 0) news_->Queue(queue);
               const std::weak_ptr<int> alive = alive_;
               for (const std::string& id : Strings(resumed)) {
                 news_->Changed(id);
                 if (alive.expired()) return;
               }
               reply(resumed.count());
             });
}

// ---- Waiting work -------------------------------------------------------------------------------

void PostgresJournal::ChangeWaiting(StatementCall call, std::string id, std::string_view refusal,
                                    StatusReply reply) {
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [this, id = std::move(id), refusal,
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> answer) mutable {
               if (!answer.ok()) return reply(answer.status());
               const Rows& rows = (*answer)[0];
               if (rows.count() == 0) return reply(NotFound("workflow", id));
               if (rows.IsNull(0, 1)) {
                 return reply(absl::FailedPreconditionError(absl::StrCat(
                     std::string(refusal), ": id=", id, " status=", rows.String(0, 0))));
               }
               if (rows.text(0, 1) == "ENQUEUED" && !rows.IsNull(0, 2)) {
                 news_->Queue(rows.text(0, 2));
               }
               reply(absl::OkStatus());
             });
}

void PostgresJournal::SetPriority(std::string id, int32_t priority, StatusReply reply) {
  StatementCall call = {.statement = kSetPriority, .parameters = {}};
  call.parameters.Text(id).Int4(priority);
  ChangeWaiting(std::move(call), std::move(id), "workflow does not wait in a queue",
                std::move(reply));
}

void PostgresJournal::SetDelay(std::string id, int64_t delay_until_ms, StatusReply reply) {
  StatementCall call = {.statement = kSetDelay, .parameters = {}};
  call.parameters.Text(id).Int8(delay_until_ms);
  ChangeWaiting(std::move(call), std::move(id), "workflow is not delayed", std::move(reply));
}

// ---- Deletion -----------------------------------------------------------------------------------

void PostgresJournal::Delete(std::vector<std::string> ids, bool with_children,
                             Reply<int64_t> reply) {
  if (!with_children) return DeleteThese(ids, std::move(reply));
  StatementCall call = {.statement = kDescendants, .parameters = {}};
  call.parameters.Texts(ids);
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [this, reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               DeleteThese(Strings((*rows)[0]), std::move(reply));
             });
}

// The rows are locked before anything is looked for, so that a batch in flight leaves no step
// behind.
void PostgresJournal::DeleteThese(const std::vector<std::string>& ids, Reply<int64_t> reply) {
  std::vector<StatementCall> calls;
  for (const Statement& statement :
       {statements::kLockWorkflowsToDelete, kDeletePayloads, kDeleteWorkflows}) {
    calls.push_back({.statement = statement, .parameters = {}});
    calls.back().parameters.Texts(ids);
  }
  RunControl(std::move(calls), /*is_repeatable=*/true,
             [this, reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               const std::weak_ptr<int> alive = alive_;
               for (const std::string& id : Strings((*rows)[2])) {
                 news_->Changed(id);
                 if (alive.expired()) return;
               }
               reply((*rows)[2].count());
             });
}

// Nobody is told: what goes has ended long ago.
void PostgresJournal::Retain(RetentionRequest request, Reply<int64_t> reply) {
  StatementCall call = {.statement = kRetain, .parameters = {}};
  std::optional<int64_t> keep_newest = request.keep_newest;
  if (keep_newest) keep_newest = std::max<int64_t>(*keep_newest, 0);
  call.parameters.Int8(request.completed_before_ms)
      .Int8(keep_newest)
      .Int4(std::clamp(request.max_rows, 0, kRetainRowsMax));
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               reply((*rows)[0].Integer(0, 0));
             });
}

}  // namespace holdfast::workflows
