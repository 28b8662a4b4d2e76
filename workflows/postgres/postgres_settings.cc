// Operator calls on queues, schedules and application versions: what applies to all executors.

#include <utility>

#include "workflows/postgres/operation_statements.h"
#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {
namespace {

// A name belongs to the application that registered it first; nobody's row is claimed by whoever
// names an application. No row: it is another application's.
#define HF_SQL_OWN(table)                 \
  "WHERE " table                          \
  ".application_name IS NULL "            \
  "OR excluded.application_name IS NULL " \
  "OR " table ".application_name = excluded.application_name "
#define HF_SQL_CLAIM_NAME(table) \
  "application_name = coalesce(" table ".application_name, excluded.application_name) "

constexpr Statement kUpsertQueue = {
    "upsert_queue",
    "INSERT INTO dbos.queues AS q (name, concurrency, worker_concurrency, rate_limit_max, "
    "rate_limit_period_sec, priority_enabled, partition_queue, partition_concurrency, "
    "partition_worker_concurrency, partition_rate_limit_max, partition_rate_limit_period_sec, "
    "polling_interval_sec, application_name) "
    "VALUES ($1::text, $2::int4, $3::int4, $4::int4, $5::float8, true, $6::bool, "
    "$7::int4, $8::int4, $9::int4, $10::float8, $11::float8, $12::text) "
    "ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency, "
    "worker_concurrency = excluded.worker_concurrency, rate_limit_max = excluded.rate_limit_max, "
    "rate_limit_period_sec = excluded.rate_limit_period_sec, priority_enabled = true, "
    "partition_queue = excluded.partition_queue, "
    "partition_concurrency = excluded.partition_concurrency, "
    "partition_worker_concurrency = excluded.partition_worker_concurrency, "
    "partition_rate_limit_max = excluded.partition_rate_limit_max, "
    "partition_rate_limit_period_sec = excluded.partition_rate_limit_period_sec, "
    "polling_interval_sec = excluded.polling_interval_sec, updated_at = " HF_SQL_NOW_MS
    ", " HF_SQL_CLAIM_NAME("q") HF_SQL_OWN("q") "RETURNING q.name"};

constexpr Statement kListQueues = {
    "list_queues",
    "SELECT name, concurrency, worker_concurrency, rate_limit_max, rate_limit_period_sec, "
    "partition_queue, partition_concurrency, partition_worker_concurrency, "
    "partition_rate_limit_max, partition_rate_limit_period_sec, polling_interval_sec, "
    "application_name FROM dbos.queues ORDER BY name COLLATE \"C\""};

constexpr Statement kDeleteQueue = {"delete_queue",
                                    "DELETE FROM dbos.queues WHERE name = $1::text"};

// The definition is new; what operators and executors did to the schedule stays: its id, whether it
// is paused, when it fired.
constexpr Statement kUpsertSchedule = {
    "upsert_schedule",
    "INSERT INTO dbos.workflow_schedules AS s (schedule_id, schedule_name, workflow_name, "
    "workflow_class_name, schedule, status, context, last_fired_at, automatic_backfill, "
    "cron_timezone, queue_name, application_name) "
    "VALUES (coalesce(nullif($1::text, ''), gen_random_uuid()::text), $2::text, $3::text, "
    "$4::text, $5::text, $6::text, $7::text, $8::text, $9::bool, $10::text, $11::text, $12::text) "
    "ON CONFLICT (schedule_name) DO UPDATE SET workflow_name = excluded.workflow_name, "
    "workflow_class_name = excluded.workflow_class_name, schedule = excluded.schedule, "
    "context = excluded.context, automatic_backfill = excluded.automatic_backfill, "
    "cron_timezone = excluded.cron_timezone, queue_name = excluded.queue_name, " HF_SQL_CLAIM_NAME(
        "s") HF_SQL_OWN("s") "RETURNING s.schedule_name"};

constexpr Statement kListSchedules = {
    "list_schedules",
    "SELECT schedule_id, schedule_name, workflow_name, workflow_class_name, schedule, status, "
    "context, last_fired_at, automatic_backfill, cron_timezone, queue_name, application_name "
    "FROM dbos.workflow_schedules ORDER BY schedule_name COLLATE \"C\""};

constexpr Statement kDeleteSchedule = {
    "delete_schedule", "DELETE FROM dbos.workflow_schedules WHERE schedule_name = $1::text"};

constexpr Statement kSetScheduleStatus = {
    "set_schedule_status",
    "UPDATE dbos.workflow_schedules SET status = $2::text WHERE schedule_name = $1::text"};

// RFC 3339 in UTC with a fixed number of digits sorts as text.
constexpr Statement kRecordScheduleFired = {
    "record_schedule_fired",
    "UPDATE dbos.workflow_schedules SET last_fired_at = "
    "greatest(last_fired_at COLLATE \"C\", $2::text) WHERE schedule_name = $1::text"};

constexpr Statement kListVersions = {
    "list_versions",
    "SELECT version_id, version_name, version_timestamp, created_at, application_name "
    "FROM dbos.application_versions ORDER BY version_timestamp DESC, created_at DESC, version_id"};

constexpr Statement kSetLatestVersion = {
    "set_latest_version",
    "UPDATE dbos.application_versions AS v SET version_timestamp = greatest(" HF_SQL_NOW_MS
    ", "
    "(SELECT max(o.version_timestamp) + 1 FROM dbos.application_versions AS o)), "
    "application_name = coalesce(v.application_name, $2::text) "
    "WHERE v.version_name = $1::text"};

std::optional<int32_t> SmallNumber(const Rows& rows, int row, int column) {
  const std::optional<int64_t> number = rows.OptionalInteger(row, column);
  return number ? std::optional(static_cast<int32_t>(*number)) : std::nullopt;
}

std::optional<RateLimit> ReadRateLimit(const Rows& rows, int row, int column) {
  if (rows.IsNull(row, column) || rows.IsNull(row, column + 1)) return std::nullopt;
  return RateLimit{.max_starts = *SmallNumber(rows, row, column),
                   .period_s = rows.Double(row, column + 1)};
}

QueueConfig ReadQueue(const Rows& rows, int row) {
  return {.name = rows.String(row, 0),
          .concurrency = SmallNumber(rows, row, 1),
          .worker_concurrency = SmallNumber(rows, row, 2),
          .rate_limit = ReadRateLimit(rows, row, 3),
          .is_partitioned = rows.Bool(row, 5),
          .partition_concurrency = SmallNumber(rows, row, 6),
          .partition_worker_concurrency = SmallNumber(rows, row, 7),
          .partition_rate_limit = ReadRateLimit(rows, row, 8),
          .polling_interval_s = rows.Double(row, 10),
          .application_name = rows.OptionalString(row, 11)};
}

constexpr std::string_view ScheduleStatusName(ScheduleStatus status) {
  return status == ScheduleStatus::kPaused ? "PAUSED" : "ACTIVE";
}

ScheduleRecord ReadSchedule(const Rows& rows, int row) {
  ScheduleRecord schedule;
  schedule.id = rows.String(row, 0);
  schedule.name = rows.String(row, 1);
  schedule.workflow_name = rows.String(row, 2);
  schedule.workflow_class_name = rows.OptionalString(row, 3);
  schedule.cron = rows.String(row, 4);
  // A status that no release has written does not fire.
  schedule.status =
      rows.text(row, 5) == "ACTIVE" ? ScheduleStatus::kActive : ScheduleStatus::kPaused;
  schedule.context = rows.String(row, 6);
  schedule.last_fired_at = rows.OptionalString(row, 7);
  schedule.is_backfilled = rows.Bool(row, 8);
  schedule.cron_time_zone = rows.OptionalString(row, 9);
  schedule.queue_name = rows.OptionalString(row, 10);
  schedule.application_name = rows.OptionalString(row, 11);
  return schedule;
}

ApplicationVersion ReadVersion(const Rows& rows, int row) {
  return {.id = rows.String(row, 0),
          .name = rows.String(row, 1),
          .timestamp_ms = rows.Integer(row, 2),
          .created_at_ms = rows.Integer(row, 3),
          .application_name = rows.OptionalString(row, 4)};
}

absl::Status BelongsToAnother(std::string_view what, const std::string& name) {
  return absl::FailedPreconditionError(
      absl::StrCat(std::string(what), " belongs to another application: name=", name));
}

}  // namespace

template <class T>
void PostgresJournal::ListAll(const Statement& statement, T (*read)(const Rows& rows, int row),
                              Reply<std::vector<T>> reply) {
  RunControl({{.statement = statement, .parameters = {}}}, /*is_repeatable=*/true,
             [read, reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> answer) mutable {
               if (!answer.ok()) return reply(answer.status());
               const Rows& rows = (*answer)[0];
               std::vector<T> records;
               records.reserve(static_cast<size_t>(rows.count()));
               for (int row = 0; row < rows.count(); ++row) records.push_back(read(rows, row));
               reply(std::move(records));
             });
}

void PostgresJournal::ChangeNamed(StatementCall call, std::string_view what, std::string name,
                                  StatusReply reply) {
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [what, name = std::move(name),
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               reply((*rows)[0].AffectedCount() > 0 ? absl::OkStatus() : NotFound(what, name));
             });
}

// ---- Queues -------------------------------------------------------------------------------------

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
             [this, name = std::move(queue.name),
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               if ((*rows)[0].count() == 0) return reply(BelongsToAnother("queue", name));
               news_->Queue(name);
               reply(absl::OkStatus());
             });
}

void PostgresJournal::ListQueues(Reply<std::vector<QueueConfig>> reply) {
  ListAll(kListQueues, ReadQueue, std::move(reply));
}

void PostgresJournal::DeleteQueue(std::string name, StatusReply reply) {
  StatementCall call = {.statement = kDeleteQueue, .parameters = {}};
  call.parameters.Text(name);
  ChangeNamed(std::move(call), "queue", std::move(name), std::move(reply));
}

// ---- Schedules ----------------------------------------------------------------------------------

void PostgresJournal::UpsertSchedule(ScheduleRecord schedule, StatusReply reply) {
  StatementCall call = {.statement = kUpsertSchedule, .parameters = {}};
  call.parameters.Text(schedule.id)
      .Text(schedule.name)
      .Text(schedule.workflow_name)
      .OptionalText(schedule.workflow_class_name)
      .Text(schedule.cron)
      .Text(ScheduleStatusName(schedule.status))
      .Text(schedule.context)
      .OptionalText(schedule.last_fired_at)
      .Bool(schedule.is_backfilled)
      .OptionalText(schedule.cron_time_zone)
      .OptionalText(schedule.queue_name)
      .OptionalText(schedule.application_name);
  RunControl({std::move(call)}, /*is_repeatable=*/true,
             [name = std::move(schedule.name),
              reply = std::move(reply)](absl::StatusOr<std::vector<Rows>> rows) mutable {
               if (!rows.ok()) return reply(rows.status());
               if ((*rows)[0].count() == 0) return reply(BelongsToAnother("schedule", name));
               reply(absl::OkStatus());
             });
}

void PostgresJournal::ListSchedules(Reply<std::vector<ScheduleRecord>> reply) {
  ListAll(kListSchedules, ReadSchedule, std::move(reply));
}

void PostgresJournal::DeleteSchedule(std::string name, StatusReply reply) {
  StatementCall call = {.statement = kDeleteSchedule, .parameters = {}};
  call.parameters.Text(name);
  ChangeNamed(std::move(call), "schedule", std::move(name), std::move(reply));
}

void PostgresJournal::SetScheduleStatus(std::string name, ScheduleStatus status,
                                        StatusReply reply) {
  StatementCall call = {.statement = kSetScheduleStatus, .parameters = {}};
  call.parameters.Text(name).Text(ScheduleStatusName(status));
  ChangeNamed(std::move(call), "schedule", std::move(name), std::move(reply));
}

void PostgresJournal::RecordScheduleFired(std::string name, std::string fired_at,
                                          StatusReply reply) {
  StatementCall call = {.statement = kRecordScheduleFired, .parameters = {}};
  call.parameters.Text(name).Text(fired_at);
  ChangeNamed(std::move(call), "schedule", std::move(name), std::move(reply));
}

// ---- Versions -----------------------------------------------------------------------------------

void PostgresJournal::ListVersions(Reply<std::vector<ApplicationVersion>> reply) {
  ListAll(kListVersions, ReadVersion, std::move(reply));
}

void PostgresJournal::SetLatestVersion(std::string name, StatusReply reply) {
  StatementCall call = {.statement = kSetLatestVersion, .parameters = {}};
  call.parameters.Text(name).OptionalText(identity_ ? std::optional(identity_->application_name)
                                                    : std::nullopt);
  ChangeNamed(std::move(call), "application version", std::move(name), std::move(reply));
}

}  // namespace holdfast::workflows
