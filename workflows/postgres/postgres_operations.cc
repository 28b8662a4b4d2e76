// Operator calls: each is a list of statements in one transaction on the control connection, whose
// first one says what was changed.

#include <utility>

#include "absl/strings/str_cat.h"
#include "workflows/postgres/batch_columns.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

constexpr Statement kSend = {
    "send",
    "WITH destination AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE w.workflow_uuid = $1::text), sent AS (INSERT INTO dbos.notifications "
    "(message_uuid, destination_uuid, topic, message, serialization, created_at_epoch_ms) "
    "SELECT coalesce($5::text, " HF_SQL_MESSAGE_ID("0") "), d.workflow_uuid, $2::text, $3::text, "
    "$4::text, " HF_SQL_NOW_MS " FROM destination AS d ON CONFLICT (message_uuid) DO NOTHING) "
    "SELECT count(*) FROM destination"};

constexpr Statement kCancel = {
    "cancel",
    "WITH RECURSIVE family (id) AS (SELECT unnest($1::text[]) UNION "
    "SELECT w.workflow_uuid FROM family AS f JOIN dbos.workflow_status AS w "
    "ON w.parent_workflow_id = f.id WHERE $2::bool), "
    "chosen AS MATERIALIZED (SELECT w.workflow_uuid FROM family AS f JOIN dbos.workflow_status AS "
    "w "
    "ON w.workflow_uuid = f.id WHERE w.status NOT IN ('SUCCESS', 'ERROR') "
    "ORDER BY w.workflow_uuid FOR NO KEY UPDATE OF w) "
    "UPDATE dbos.workflow_status AS w SET status = 'CANCELLED', owner_xid = NULL, "
    "queue_name = NULL, deduplication_id = NULL, started_at_epoch_ms = NULL, "
    "completed_at = " HF_SQL_NOW_MS ", updated_at = " HF_SQL_NOW_MS
    " "
    "FROM chosen AS c WHERE w.workflow_uuid = c.workflow_uuid RETURNING w.workflow_uuid"};

constexpr Statement kUpsertQueue = {
    "upsert_queue",
    "INSERT INTO dbos.queues AS q (name, concurrency, worker_concurrency, rate_limit_max, "
    "rate_limit_period_sec, partition_queue, partition_concurrency, partition_worker_concurrency, "
    "partition_rate_limit_max, partition_rate_limit_period_sec, polling_interval_sec, "
    "application_name) VALUES ($1::text, $2::int4, $3::int4, $4::int4, $5::float8, $6::bool, "
    "$7::int4, $8::int4, $9::int4, $10::float8, $11::float8, $12::text) "
    "ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency, "
    "worker_concurrency = excluded.worker_concurrency, rate_limit_max = excluded.rate_limit_max, "
    "rate_limit_period_sec = excluded.rate_limit_period_sec, "
    "partition_queue = excluded.partition_queue, "
    "partition_concurrency = excluded.partition_concurrency, "
    "partition_worker_concurrency = excluded.partition_worker_concurrency, "
    "partition_rate_limit_max = excluded.partition_rate_limit_max, "
    "partition_rate_limit_period_sec = excluded.partition_rate_limit_period_sec, "
    "polling_interval_sec = excluded.polling_interval_sec, "
    "application_name = coalesce(q.application_name, excluded.application_name), "
    "updated_at = " HF_SQL_NOW_MS};

constexpr Statement kListQueues = {
    "list_queues",
    "SELECT name, concurrency, worker_concurrency, rate_limit_max, rate_limit_period_sec, "
    "partition_queue, partition_concurrency, partition_worker_concurrency, "
    "partition_rate_limit_max, partition_rate_limit_period_sec, polling_interval_sec, "
    "application_name FROM dbos.queues ORDER BY name"};

std::optional<int32_t> SmallNumber(const Rows& rows, int row, int column) {
  const std::optional<int64_t> number = rows.OptionalInteger(row, column);
  return number ? std::optional(static_cast<int32_t>(*number)) : std::nullopt;
}

std::optional<RateLimit> ReadRateLimit(const Rows& rows, int row, int column) {
  if (rows.IsNull(row, column) || rows.IsNull(row, column + 1)) return std::nullopt;
  return RateLimit{.max_starts = *SmallNumber(rows, row, column),
                   .period_s = rows.Double(row, column + 1)};
}

}  // namespace

void PostgresJournal::Send(SendEffect message, StatusReply reply) {
  StatementCall call = {.statement = kSend, .parameters = {}};
  const std::string topic = message.topic ? *message.topic : std::string(kNoTopic);
  call.parameters.Text(message.destination_id)
      .Text(topic)
      .Text(message.message)
      .Text(message.serialization)
      .OptionalText(message.message_id ? std::optional(absl::StrCat(*message.message_id,
                                                                    "::", message.destination_id))
                                       : std::nullopt);
  RunControl({std::move(call)}, /*is_repeatable=*/message.message_id.has_value(),
             [this, id = message.destination_id, topic,
              reply = std::move(reply)](const absl::StatusOr<std::vector<Rows>>& rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               if ((*rows)[0].Integer(0, 0) == 0) {
                 return reply(absl::NotFoundError(absl::StrCat("no such workflow: id=", id)));
               }
               news_->Message(id, topic);
               reply(absl::OkStatus());
             });
}

void PostgresJournal::Cancel(std::vector<std::string> ids, bool with_children,
                             Reply<int64_t> reply) {
  StatementCall call = {.statement = kCancel, .parameters = {}};
  call.parameters.Texts(ids).Bool(with_children);
  RunControl(
      {std::move(call)}, /*is_repeatable=*/true,
      [this, reply = std::move(reply)](const absl::StatusOr<std::vector<Rows>>& rows) mutable {
        if (!rows.ok()) return reply(rows.status());
        for (int row = 0; row < (*rows)[0].count(); ++row) {
          const std::string id = (*rows)[0].String(row, 0);
          news_->Changed(id);
          news_->Ended(id, /*is_remote_interested=*/true);
        }
        reply((*rows)[0].count());
      });
}

void PostgresJournal::UpsertQueue(QueueConfig queue, StatusReply reply) {
  StatementCall call = {.statement = kUpsertQueue, .parameters = {}};
  const auto add_limit = [&call](const std::optional<RateLimit>& limit) {
    call.parameters.Int4(limit ? std::optional(limit->max_starts) : std::nullopt);
    call.parameters.Float8(limit ? std::optional(limit->period_s) : std::nullopt);
  };
  call.parameters.Text(queue.name).Int4(queue.concurrency).Int4(queue.worker_concurrency);
  add_limit(queue.rate_limit);
  call.parameters.Bool(queue.is_partitioned)
      .Int4(queue.partition_concurrency)
      .Int4(queue.partition_worker_concurrency);
  add_limit(queue.partition_rate_limit);
  call.parameters.Float8(queue.polling_interval_s).OptionalText(queue.application_name);
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [this, name = queue.name,
              reply = std::move(reply)](const absl::StatusOr<std::vector<Rows>>& rows) mutable {
               if (rows.ok()) news_->Queue(name);
               reply(rows.status());
             });
}

void PostgresJournal::ListQueues(Reply<std::vector<QueueConfig>> reply) {
  RunControl({{.statement = kListQueues, .parameters = {}}}, /*is_repeatable=*/true,
             [reply = std::move(reply)](const absl::StatusOr<std::vector<Rows>>& answer) mutable {
               if (!answer.ok()) return reply(answer.status());
               const Rows& rows = (*answer)[0];
               std::vector<QueueConfig> queues;
               for (int row = 0; row < rows.count(); ++row) {
                 queues.push_back({.name = rows.String(row, 0),
                                   .concurrency = SmallNumber(rows, row, 1),
                                   .worker_concurrency = SmallNumber(rows, row, 2),
                                   .rate_limit = ReadRateLimit(rows, row, 3),
                                   .is_partitioned = rows.Bool(row, 5),
                                   .partition_concurrency = SmallNumber(rows, row, 6),
                                   .partition_worker_concurrency = SmallNumber(rows, row, 7),
                                   .partition_rate_limit = ReadRateLimit(rows, row, 8),
                                   .polling_interval_s = rows.Double(row, 10),
                                   .application_name = rows.OptionalString(row, 11)});
               }
               reply(std::move(queues));
             });
}

}  // namespace holdfast::workflows
