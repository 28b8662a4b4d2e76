#pragma once

#include <string_view>

#include "workflows/postgres/connection.h"

// Every statement of the journal that is prepared by name. Rows of a batch travel as arrays, one
// a column. Columns and their meaning: docs/journal_format.md.
namespace holdfast::workflows::statements {

// Prefix of the names of statements that the application registered.
inline constexpr std::string_view kApplicationPrefix = "sink:";
inline bool IsApplicationStatement(std::string_view name) {
  return name.substr(0, kApplicationPrefix.size()) == kApplicationPrefix;
}

// Milliseconds of the database's clock, as an expression.
#define HF_SQL_NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

// Message ids that sort by age, so that messages of one millisecond are received in the order in
// which they were sent. `n` is the row's place in its statement.
#define HF_SQL_MESSAGE_ID(n)                                                                    \
  "lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 14, '0') || '-' || " \
  "lpad(to_hex(" n "), 6, '0') || '-' || left(gen_random_uuid()::text, 18)"

// ---- Leases and writers (schema holdfast) -------------------------------------------------------

inline constexpr Statement kBeginBatch = {
    "begin_batch",
    "SELECT holdfast.begin_batch($1::text, $2::text::uuid, $3::int4, $4::int8, $5::text[], "
    "$6::text[])"};
inline constexpr Statement kReadSequence = {
    "read_sequence",
    "SELECT sequence FROM holdfast.journal_writers "
    "WHERE executor_id = $1::text AND incarnation = $2::text::uuid AND shard = $3::int4 "
    "FOR UPDATE"};
inline constexpr Statement kReadEpoch = {
    "read_epoch", "SELECT epoch FROM holdfast.executors WHERE executor_id = $1::text"};
inline constexpr Statement kRegisterExecutor = {
    "register_executor",
    "SELECT holdfast.register_executor($1::text, $2::text::uuid, $3::int8, $4::int4, $5::text, "
    "$6::text, $7::text, $8::int8)"};
inline constexpr Statement kRegisterVersion = {
    "register_version",
    "INSERT INTO dbos.application_versions "
    "(version_id, version_name, version_timestamp, created_at, application_name) "
    "SELECT gen_random_uuid()::text, $1::text, " HF_SQL_NOW_MS ", " HF_SQL_NOW_MS
    ", $2::text "
    "WHERE $1::text <> '' ON CONFLICT DO NOTHING"};
inline constexpr Statement kRenewLease = {
    "renew_lease", "SELECT holdfast.renew_lease($1::text, $2::text::uuid, $3::int8)"};
inline constexpr Statement kReleaseLease = {
    "release_lease", "SELECT holdfast.release_lease($1::text, $2::text::uuid)"};

// ---- Writes of a batch --------------------------------------------------------------------------

// Columns of NewWorkflow in the order of batch.cc. A workflow with an owner starts at once. What is
// there already, by id or by deduplication id, is left alone and not returned.
inline constexpr Statement kInsertWorkflows = {
    "insert_workflows",
    "INSERT INTO dbos.workflow_status "
    "(workflow_uuid, status, name, class_name, config_name, inputs, serialization, owner_xid, "
    "creator_xid, executor_id, recovery_attempts, queue_name, queue_partition_key, "
    "deduplication_id, priority, delay_until_epoch_ms, workflow_timeout_ms, "
    "workflow_deadline_epoch_ms, application_version, application_name, parent_workflow_id, "
    "schedule_name, attributes, authenticated_user, assumed_role, authenticated_roles, "
    "created_at, updated_at) "
    "SELECT u.id, CASE WHEN u.owner IS NOT NULL THEN 'PENDING' "
    "WHEN u.delay_until > n.now_ms THEN 'DELAYED' ELSE 'ENQUEUED' END, "
    "u.name, u.class_name, u.config_name, u.inputs, u.serialization, u.owner, u.creator, "
    "CASE WHEN u.owner IS NOT NULL THEN $1::text ELSE '' END, "
    "CASE WHEN u.owner IS NOT NULL THEN 1 ELSE 0 END, u.queue_name, u.partition_key, u.dedup_id, "
    "u.priority, CASE WHEN u.owner IS NULL THEN u.delay_until END, u.timeout_ms, "
    "coalesce(u.deadline_ms, CASE WHEN u.owner IS NOT NULL THEN n.now_ms + u.timeout_ms END), "
    "u.version, u.application, u.parent, u.schedule, u.attributes::jsonb, u.auth_user, u.role, "
    "u.roles, n.now_ms, n.now_ms "
    "FROM (SELECT " HF_SQL_NOW_MS
    " AS now_ms) AS n, (SELECT "
    "unnest($2::text[]) AS id, unnest($3::text[]) AS name, unnest($4::text[]) AS class_name, "
    "unnest($5::text[]) AS config_name, unnest($6::text[]) AS inputs, "
    "unnest($7::text[]) AS serialization, unnest($8::text[]) AS owner, "
    "unnest($9::text[]) AS creator, unnest($10::text[]) AS queue_name, "
    "unnest($11::text[]) AS partition_key, unnest($12::text[]) AS dedup_id, "
    "unnest($13::int4[]) AS priority, unnest($14::int8[]) AS delay_until, "
    "unnest($15::int8[]) AS timeout_ms, unnest($16::int8[]) AS deadline_ms, "
    "unnest($17::text[]) AS version, unnest($18::text[]) AS application, "
    "unnest($19::text[]) AS parent, unnest($20::text[]) AS schedule, "
    "unnest($21::text[]) AS attributes, unnest($22::text[]) AS auth_user, "
    "unnest($23::text[]) AS role, unnest($24::text[]) AS roles) AS u "
    "ON CONFLICT DO NOTHING RETURNING workflow_uuid"};

inline constexpr Statement kInsertSteps = {
    "insert_steps",
    "INSERT INTO dbos.operation_outputs "
    "(workflow_uuid, function_id, function_name, output, error, child_workflow_id, serialization, "
    "started_at_epoch_ms, completed_at_epoch_ms) "
    "SELECT unnest($1::text[]), unnest($2::int4[]), unnest($3::text[]), unnest($4::text[]), "
    "unnest($5::text[]), unnest($6::text[]), unnest($7::text[]), unnest($8::int8[]), "
    "unnest($9::int8[])"};

// The step row of a started child, when the child (just made, or there before) is the workflow that
// was meant.
inline constexpr Statement kInsertChildSteps = {
    "insert_child_steps",
    "INSERT INTO dbos.operation_outputs "
    "(workflow_uuid, function_id, function_name, output, error, child_workflow_id, serialization, "
    "started_at_epoch_ms, completed_at_epoch_ms) "
    "SELECT u.id, u.function_id, u.step_name, u.output, u.error, u.child, u.serialization, "
    "u.started_at, u.completed_at "
    "FROM unnest($1::text[], $2::int4[], $3::text[], $4::text[], $5::text[], $6::text[], "
    "$7::text[], $8::int8[], $9::int8[], $10::text[], $11::text[], $12::text[]) "
    "AS u (id, function_id, step_name, output, error, child, serialization, started_at, "
    "completed_at, name, class_name, config_name) "
    "JOIN dbos.workflow_status AS w ON w.workflow_uuid = u.child AND w.name = u.name "
    "AND w.class_name IS NOT DISTINCT FROM u.class_name "
    "AND w.config_name IS NOT DISTINCT FROM u.config_name "
    "RETURNING workflow_uuid, function_id"};

inline constexpr Statement kSendMessages = {
    "send_messages",
    "WITH u AS MATERIALIZED (SELECT u.*, EXISTS (SELECT FROM dbos.workflow_status AS w "
    "WHERE w.workflow_uuid = u.destination) AS is_there "
    "FROM unnest($1::text[], $2::int4[], $3::text[], $4::text[], $5::text[], $6::text[], "
    "$7::text[], $8::int8[], $9::int8[], $10::text[], $11::text[], $12::text[], $13::text[], "
    "$14::text[], $15::text[]) WITH ORDINALITY AS u (id, function_id, step_name, output, error, "
    "child, step_serialization, started_at, completed_at, destination, topic, message, "
    "serialization, message_id, missing_error, n)), "
    "sent AS (INSERT INTO dbos.notifications "
    "(message_uuid, destination_uuid, topic, message, serialization, created_at_epoch_ms) "
    "SELECT coalesce(u.message_id, " HF_SQL_MESSAGE_ID(
        "u.n") "), u.destination, u.topic, u.message, u.serialization, " HF_SQL_NOW_MS
               " FROM u WHERE u.is_there ON CONFLICT (message_uuid) DO NOTHING), "
               "steps AS (INSERT INTO dbos.operation_outputs "
               "(workflow_uuid, function_id, function_name, output, error, child_workflow_id, "
               "serialization, "
               "started_at_epoch_ms, completed_at_epoch_ms) "
               "SELECT u.id, u.function_id, u.step_name, CASE WHEN u.is_there THEN u.output END, "
               "CASE WHEN u.is_there THEN u.error ELSE u.missing_error END, u.child, "
               "u.step_serialization, "
               "u.started_at, u.completed_at FROM u) "
               "SELECT u.id, u.function_id FROM u WHERE NOT u.is_there"};

// The fence of the receiver makes it the only one who consumes.
inline constexpr Statement kReceiveMessages = {
    "receive_messages",
    "WITH u AS MATERIALIZED (SELECT u.*, m.message_uuid, m.message, m.serialization "
    "FROM unnest($1::text[], $2::int4[], $3::text[], $4::text[], $5::text[], $6::text[], "
    "$7::text[], $8::int8[], $9::int8[], $10::text[]) AS u (id, function_id, step_name, output, "
    "error, child, step_serialization, started_at, completed_at, topic) "
    "CROSS JOIN LATERAL (SELECT n.message_uuid, n.message, n.serialization "
    "FROM dbos.notifications AS n WHERE n.destination_uuid = u.id AND n.topic = u.topic "
    "AND NOT n.consumed ORDER BY n.created_at_epoch_ms, n.message_uuid LIMIT 1) AS m), "
    "taken AS (UPDATE dbos.notifications AS n SET consumed = true, "
    "consumed_by_function_id = u.function_id FROM u WHERE n.message_uuid = u.message_uuid "
    "AND NOT n.consumed RETURNING u.id, u.function_id), "
    "steps AS (INSERT INTO dbos.operation_outputs "
    "(workflow_uuid, function_id, function_name, output, child_workflow_id, serialization, "
    "started_at_epoch_ms, completed_at_epoch_ms) "
    "SELECT u.id, u.function_id, u.step_name, u.message, u.child, "
    "coalesce(u.serialization, u.step_serialization), u.started_at, u.completed_at "
    "FROM u JOIN taken USING (id, function_id)) "
    "SELECT u.id, u.function_id, u.message, coalesce(u.serialization, u.step_serialization) "
    "FROM u JOIN taken USING (id, function_id)"};

inline constexpr Statement kSetEvents = {
    "set_events",
    "WITH u AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::int4[], $3::text[], $4::text[], "
    "$5::text[]) AS u (id, function_id, key, value, serialization)), "
    "history AS (INSERT INTO dbos.workflow_events_history "
    "(workflow_uuid, function_id, key, value, serialization) "
    "SELECT u.id, u.function_id, u.key, u.value, u.serialization FROM u) "
    "INSERT INTO dbos.workflow_events (workflow_uuid, key, value, serialization) "
    "SELECT u.id, u.key, u.value, u.serialization FROM u "
    "ON CONFLICT (workflow_uuid, key) DO UPDATE SET value = excluded.value, "
    "serialization = excluded.serialization"};

// Offsets go on from the last one. A closed stream takes nothing more.
inline constexpr Statement kAppendStreams = {
    "append_streams",
    "WITH u AS MATERIALIZED (SELECT u.*, coalesce(s.\"offset\", -1) AS last_offset "
    "FROM unnest($1::text[], $2::int4[], $3::text[], $4::text[], $5::text[], $6::text[], "
    "$7::text[], $8::int8[], $9::int8[], $10::text[], $11::text[], $12::text[]) "
    "WITH ORDINALITY AS u (id, function_id, step_name, output, error, child, step_serialization, "
    "started_at, completed_at, key, value, serialization, n) "
    "LEFT JOIN LATERAL (SELECT t.\"offset\", t.value FROM dbos.streams AS t "
    "WHERE t.workflow_uuid = u.id AND t.key = u.key ORDER BY t.\"offset\" DESC LIMIT 1) AS s "
    "ON true WHERE s.value IS DISTINCT FROM '\"__DBOS_STREAM_CLOSED__\"'), "
    "appended AS (INSERT INTO dbos.streams "
    "(workflow_uuid, key, value, \"offset\", function_id, serialization) "
    "SELECT u.id, u.key, u.value, "
    "u.last_offset + row_number() OVER (PARTITION BY u.id, u.key ORDER BY u.n), u.function_id, "
    "u.serialization FROM u), "
    "steps AS (INSERT INTO dbos.operation_outputs "
    "(workflow_uuid, function_id, function_name, output, error, child_workflow_id, serialization, "
    "started_at_epoch_ms, completed_at_epoch_ms) "
    "SELECT u.id, u.function_id, u.step_name, u.output, u.error, u.child, u.step_serialization, "
    "u.started_at, u.completed_at FROM u) "
    "SELECT u.id, u.function_id FROM u"};

// The fences of the batch are held: the condition only keeps the promise by itself. It is written
// so that it cannot suggest the partial index of everything PENDING, which to a planner with the
// statistics of a young table looks cheaper than the ids, and costs the square of the batch.
inline constexpr Statement kFinishWorkflows = {
    "finish_workflows",
    "UPDATE dbos.workflow_status AS w SET status = u.status, output = u.output, error = u.error, "
    "owner_xid = NULL, deduplication_id = NULL, "
    "queue_name = CASE WHEN u.status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' THEN NULL "
    "ELSE w.queue_name END, completed_at = n.now_ms, updated_at = n.now_ms "
    "FROM (SELECT " HF_SQL_NOW_MS
    " AS now_ms) AS n, "
    "(SELECT unnest($1::text[]) AS id, unnest($2::text[]) AS owner, unnest($3::text[]) AS status, "
    "unnest($4::text[]) AS output, unnest($5::text[]) AS error) AS u "
    "WHERE w.workflow_uuid = u.id AND w.owner_xid = u.owner AND coalesce(w.status, '') = "
    "'PENDING'"};

// ---- Read back ----------------------------------------------------------------------------------

inline constexpr Statement kReadStepsOf = {
    "read_steps_of",
    "SELECT o.workflow_uuid, o.function_id, o.output, o.error, o.serialization, o.function_name "
    "FROM unnest($1::text[], $2::int4[]) AS u (id, function_id) "
    "JOIN dbos.operation_outputs AS o "
    "ON o.workflow_uuid = u.id AND o.function_id = u.function_id"};

}  // namespace holdfast::workflows::statements
