#pragma once

#include "workflows/postgres/records.h"
#include "workflows/postgres/statements.h"

// The statements of claims and sweeps. What may be claimed: docs/journal_format.md.
namespace holdfast::workflows::statements {

// Parameters that the claims share:
//   $1 queue, $2 names, $3 version, $4 is latest version, $5 application, $6 limit, $7 bytes,
//   $8 recovery attempts, $9 owner token, $10 executor, $11 is rate limited
#define HF_SQL_CLAIMABLE                                                                    \
  "w.queue_name = $1::text AND w.status = 'ENQUEUED' AND w.name = ANY ($2::text[]) "        \
  "AND (w.application_version = $3::text OR (w.application_version IS NULL AND $4::bool)) " \
  "AND (w.application_name IS NULL OR w.application_name = $5::text) "
#define HF_SQL_CLAIM_SIZE                                                               \
  "coalesce(octet_length(w.inputs), 0) + coalesce((SELECT octet_length(x.inputs) FROM " \
  "dbos.workflow_input AS x WHERE x.workflow_uuid = w.workflow_uuid), 0) + 500 AS size_bytes "
// The recorded steps as a JSON array of arrays, and the inputs, of a row `w` just claimed.
#define HF_SQL_CLAIM_PAYLOADS                                                              \
  "coalesce((SELECT x.inputs FROM dbos.workflow_input AS x "                               \
  "WHERE x.workflow_uuid = w.workflow_uuid), w.inputs), "                                  \
  "(SELECT json_agg(json_build_array(s.function_id, s.function_name, s.output, s.error, "  \
  "s.child_workflow_id, s.serialization, s.started_at_epoch_ms, s.completed_at_epoch_ms) " \
  "ORDER BY s.function_id) FROM dbos.operation_outputs AS s "                              \
  "WHERE s.workflow_uuid = w.workflow_uuid)"
// From `picked` (workflow_uuid, priority, created_at, size_bytes), whose rows are locked: a row
// that was claimed too often becomes a dead letter, the others are ours.
#define HF_SQL_IS_DEAD "(coalesce(w.recovery_attempts, 0) > $8::int8)"
#define HF_SQL_TAKE_PICKED                                                                         \
  "bounded AS MATERIALIZED (SELECT p.workflow_uuid, sum(p.size_bytes) OVER (ORDER BY p.priority, " \
  "p.created_at, p.workflow_uuid) - p.size_bytes AS bytes_before FROM picked AS p), "              \
  "n AS MATERIALIZED (SELECT " HF_SQL_NOW_MS                                                       \
  " AS now_ms) "                                                                                   \
  "UPDATE dbos.workflow_status AS w SET "                                                          \
  "status = CASE WHEN " HF_SQL_IS_DEAD                                                             \
  " THEN 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' ELSE 'PENDING' END, "                                    \
  "owner_xid = CASE WHEN " HF_SQL_IS_DEAD                                                          \
  " THEN NULL ELSE $9::text END, "                                                                 \
  "executor_id = CASE WHEN " HF_SQL_IS_DEAD                                                        \
  " THEN w.executor_id ELSE $10::text END, "                                                       \
  "application_version = CASE WHEN " HF_SQL_IS_DEAD                                                \
  " THEN w.application_version ELSE $3::text END, "                                                \
  "application_name = coalesce(w.application_name, $5::text), "                                    \
  "queue_name = CASE WHEN " HF_SQL_IS_DEAD                                                         \
  " THEN NULL ELSE w.queue_name END, "                                                             \
  "deduplication_id = CASE WHEN " HF_SQL_IS_DEAD                                                   \
  " THEN NULL ELSE w.deduplication_id END, "                                                       \
  "started_at_epoch_ms = CASE WHEN " HF_SQL_IS_DEAD                                                \
  " THEN w.started_at_epoch_ms ELSE n.now_ms END, "                                                \
  "completed_at = CASE WHEN " HF_SQL_IS_DEAD                                                       \
  " THEN n.now_ms END, updated_at = n.now_ms, "                                                    \
  "recovery_attempts = w.recovery_attempts + CASE WHEN " HF_SQL_IS_DEAD                            \
  " THEN 0 ELSE 1 END, "                                                                           \
  "rate_limited = $11::bool AND NOT " HF_SQL_IS_DEAD                                               \
  ", "                                                                                             \
  "workflow_deadline_epoch_ms = coalesce(w.workflow_deadline_epoch_ms, "                           \
  "n.now_ms + w.workflow_timeout_ms) "                                                             \
  "FROM n, bounded AS b "                                                                          \
  "WHERE w.workflow_uuid = b.workflow_uuid AND b.bytes_before < $7::int8 "                         \
  "RETURNING " HF_SQL_RECORD_COLUMNS ", " HF_SQL_CLAIM_PAYLOADS ", (SELECT count(*) FROM picked)"

inline constexpr int kClaimInputsColumn = kRecordColumnCount;
inline constexpr int kClaimStepsColumn = kRecordColumnCount + 1;
inline constexpr int kClaimPickedColumn = kRecordColumnCount + 2;

inline constexpr Statement kClaim = {"claim",
                                     "WITH picked AS MATERIALIZED (SELECT w.workflow_uuid, "
                                     "w.priority, w.created_at, " HF_SQL_CLAIM_SIZE
                                     "FROM dbos.workflow_status AS w WHERE " HF_SQL_CLAIMABLE
                                     "ORDER BY w.priority, w.created_at LIMIT $6::int8 FOR UPDATE "
                                     "OF w SKIP LOCKED), " HF_SQL_TAKE_PICKED};

// $1 to $5 as in a claim: whether one would find anything. Reads only.
inline constexpr Statement kHasClaimable = {
    "has_claimable",
    "SELECT EXISTS (SELECT FROM dbos.workflow_status AS w WHERE " HF_SQL_CLAIMABLE ")"};

// One claim of a queue at a time, so that what is counted stays true until the commit.
inline constexpr Statement kLockQueue = {
    "lock_queue",
    "SELECT pg_advisory_xact_lock(hashtextextended('holdfast queue ' || $1::text, 0))"};

// Further parameters of claims that count: $12 concurrency, $13 starts in the window, $14 window.
#define HF_SQL_COUNT_RUNNING(key)                                                  \
  "(SELECT count(*) FROM dbos.workflow_status AS c WHERE c.queue_name = $1::text " \
  "AND c.status = 'PENDING' " key ")"
#define HF_SQL_COUNT_STARTED(period, key)                                          \
  "(SELECT count(*) FROM dbos.workflow_status AS c WHERE c.queue_name = $1::text " \
  "AND c.rate_limited AND c.started_at_epoch_ms > " HF_SQL_NOW_MS " - " period " " key ")"
// least() ignores nulls: an absent limit.
#define HF_SQL_GLOBAL_ROOM \
  "greatest(0, least($6::int8, "                                                        \
  "CASE WHEN $12::int4 IS NOT NULL THEN $12::int4 - " HF_SQL_COUNT_RUNNING("") " END, " \
  "CASE WHEN $13::int4 IS NOT NULL THEN $13::int4 - "                                   \
  HF_SQL_COUNT_STARTED("$14::int8", "") " END))"

inline constexpr Statement kClaimLimited = {
    "claim_limited",
    "WITH picked AS MATERIALIZED (SELECT w.workflow_uuid, w.priority, "
    "w.created_at, " HF_SQL_CLAIM_SIZE "FROM dbos.workflow_status AS w WHERE " HF_SQL_CLAIMABLE
    "ORDER BY w.priority, w.created_at LIMIT (SELECT " HF_SQL_GLOBAL_ROOM
    ") "
    "FOR UPDATE OF w SKIP LOCKED), " HF_SQL_TAKE_PICKED};

// Further: $15 concurrency, $16 starts, $17 window of one partition; $18, $19 keys running here and
// how many, $20 worker concurrency of one partition. The keys are found by skipping from one to the
// next in the index.
inline constexpr Statement kClaimPartitioned = {
    "claim_partitioned",
    "WITH RECURSIVE keys (key) AS ((SELECT w.queue_partition_key FROM dbos.workflow_status AS w "
    "WHERE w.queue_name = $1::text AND w.status = 'ENQUEUED' "
    "AND w.queue_partition_key IS NOT NULL ORDER BY w.queue_partition_key LIMIT 1) UNION ALL "
    "SELECT (SELECT w.queue_partition_key FROM dbos.workflow_status AS w "
    "WHERE w.queue_name = $1::text AND w.status = 'ENQUEUED' AND w.queue_partition_key > k.key "
    "ORDER BY w.queue_partition_key LIMIT 1) FROM keys AS k WHERE k.key IS NOT NULL), "
    "rooms AS MATERIALIZED (SELECT k.key, greatest(0, least($6::int8, "
    "CASE WHEN $15::int4 IS NOT NULL THEN $15::int4 - "
    HF_SQL_COUNT_RUNNING("AND c.queue_partition_key = k.key") " END, "
    "CASE WHEN $16::int4 IS NOT NULL THEN $16::int4 - "
    HF_SQL_COUNT_STARTED("$17::int8", "AND c.queue_partition_key = k.key") " END, "
    "CASE WHEN $20::int4 IS NOT NULL THEN $20::int4 - coalesce((SELECT h.running FROM "
    "unnest($18::text[], $19::int4[]) AS h (key, running) WHERE h.key = k.key), 0) END)) AS room "
    "FROM keys AS k WHERE k.key IS NOT NULL), "
    "locked AS MATERIALIZED (SELECT l.* FROM rooms AS r CROSS JOIN LATERAL ("
    "SELECT w.workflow_uuid, w.priority, w.created_at, " HF_SQL_CLAIM_SIZE
    "FROM dbos.workflow_status AS w WHERE " HF_SQL_CLAIMABLE
    "AND w.queue_partition_key = r.key ORDER BY w.priority, w.created_at LIMIT r.room "
    "FOR UPDATE OF w SKIP LOCKED) AS l WHERE r.room > 0), "
    "picked AS MATERIALIZED (SELECT l.* FROM locked AS l ORDER BY l.priority, l.created_at "
    "LIMIT (SELECT " HF_SQL_GLOBAL_ROOM ")), " HF_SQL_TAKE_PICKED};

// ---- Taking over --------------------------------------------------------------------------------

// $1 executors dealt with, $2 the epochs that ended. Each is closed before its rows are read.
inline constexpr Statement kFenceExpired = {
    "fence_expired",
    "SELECT e.executor_id, e.epoch FROM holdfast.executors AS e "
    "WHERE e.lease_expires_at <= clock_timestamp() AND e.executor_id <> $3::text "
    "AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::int8[]) AS a (id, epoch) "
    "WHERE a.id = e.executor_id AND a.epoch = e.epoch) "
    "AND holdfast.fence_executor(e.executor_id) ORDER BY e.executor_id"};

// They cannot come back while their rows are taken.
inline constexpr Statement kHoldExpired = {
    "hold_expired",
    "SELECT FROM holdfast.executors AS e WHERE e.executor_id = ANY ($1::text[]) "
    "AND e.lease_expires_at <= clock_timestamp() ORDER BY e.executor_id FOR SHARE"};

// $1 executors, $2 names, $3 version, $4 prefix of our owner tokens, $5 application, $6 limit,
// $7 bytes, $8 recovery attempts, $9 owner token, $10 executor.
inline constexpr Statement kAdopt = {
    "adopt",
    "WITH picked AS MATERIALIZED (SELECT w.workflow_uuid, w.created_at, "
    "CASE WHEN w.queue_name IS NOT NULL THEN 'ENQUEUED' WHEN " HF_SQL_IS_DEAD
    " THEN 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' ELSE 'PENDING' END AS status, " HF_SQL_CLAIM_SIZE
    "FROM dbos.workflow_status AS w WHERE w.status = 'PENDING' "
    "AND w.application_version = $3::text "
    "AND (w.application_name IS NULL OR w.application_name = $5::text) "
    "AND (w.queue_name IS NOT NULL OR w.name = ANY ($2::text[])) "
    "AND ((w.executor_id = $10::text AND w.owner_xid IS NOT NULL "
    "AND left(w.owner_xid, length($4::text)) <> $4::text) "
    "OR w.executor_id IN (SELECT e.executor_id FROM holdfast.executors AS e "
    "WHERE e.executor_id = ANY ($1::text[]) AND e.lease_expires_at <= clock_timestamp())) "
    "ORDER BY w.created_at LIMIT $6::int8 FOR UPDATE OF w SKIP LOCKED), "
    "bounded AS MATERIALIZED (SELECT p.workflow_uuid, p.status, sum(p.size_bytes) OVER (ORDER BY "
    "p.created_at, p.workflow_uuid) - p.size_bytes AS bytes_before FROM picked AS p), "
    "n AS MATERIALIZED (SELECT " HF_SQL_NOW_MS
    " AS now_ms) "
    "UPDATE dbos.workflow_status AS w SET status = b.status, "
    "owner_xid = CASE WHEN b.status = 'PENDING' THEN $9::text END, "
    "executor_id = CASE b.status WHEN 'PENDING' THEN $10::text WHEN 'ENQUEUED' THEN '' "
    "ELSE w.executor_id END, "
    "application_name = CASE WHEN b.status = 'PENDING' THEN coalesce(w.application_name, $5::text) "
    "ELSE w.application_name END, "
    "deduplication_id = CASE WHEN b.status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' THEN NULL "
    "ELSE w.deduplication_id END, "
    "started_at_epoch_ms = CASE b.status WHEN 'PENDING' THEN n.now_ms "
    "WHEN 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' THEN w.started_at_epoch_ms END, "
    "completed_at = CASE WHEN b.status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' THEN n.now_ms END, "
    "updated_at = n.now_ms, rate_limited = false, "
    "recovery_attempts = w.recovery_attempts + CASE WHEN b.status = 'PENDING' THEN 1 ELSE 0 END, "
    "workflow_deadline_epoch_ms = CASE WHEN b.status = 'PENDING' THEN "
    "coalesce(w.workflow_deadline_epoch_ms, n.now_ms + w.workflow_timeout_ms) "
    "ELSE w.workflow_deadline_epoch_ms END "
    "FROM n, bounded AS b "
    "WHERE w.workflow_uuid = b.workflow_uuid AND b.bytes_before < $7::int8 "
    "RETURNING " HF_SQL_RECORD_COLUMNS ", " HF_SQL_CLAIM_PAYLOADS
    ", (SELECT count(*) FROM picked)"};

// After a claim whose answer was lost: $1 token, $2 executor.
inline constexpr Statement kReadClaimed = {
    "read_claimed",
    "SELECT " HF_SQL_RECORD_COLUMNS ", " HF_SQL_CLAIM_PAYLOADS
    ", 0 "
    "FROM dbos.workflow_status AS w WHERE w.status = 'PENDING' AND w.executor_id = $2::text "
    "AND w.owner_xid = $1::text"};

// ---- The sweep ----------------------------------------------------------------------------------

inline constexpr Statement kReleaseDelayed = {
    "release_delayed",
    "WITH due AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE w.status = 'DELAYED' AND w.delay_until_epoch_ms <= " HF_SQL_NOW_MS
    " "
    "ORDER BY w.delay_until_epoch_ms LIMIT $1::int4 FOR UPDATE SKIP LOCKED) "
    "UPDATE dbos.workflow_status AS w SET status = 'ENQUEUED', "
    "deduplication_id = CASE WHEN w.is_debounced THEN NULL ELSE w.deduplication_id END, "
    "updated_at = " HF_SQL_NOW_MS
    " FROM due WHERE w.workflow_uuid = due.workflow_uuid "
    "RETURNING w.queue_name"};

inline constexpr Statement kCancelExpired = {
    "cancel_expired",
    "WITH due AS MATERIALIZED (SELECT w.workflow_uuid FROM dbos.workflow_status AS w "
    "WHERE w.status IN ('ENQUEUED', 'PENDING', 'DELAYED') "
    "AND w.workflow_deadline_epoch_ms <= " HF_SQL_NOW_MS
    " "
    "ORDER BY w.workflow_deadline_epoch_ms LIMIT $1::int4 FOR UPDATE SKIP LOCKED) "
    "UPDATE dbos.workflow_status AS w SET status = 'CANCELLED', owner_xid = NULL, "
    "queue_name = NULL, deduplication_id = NULL, started_at_epoch_ms = NULL, "
    "completed_at = " HF_SQL_NOW_MS ", updated_at = " HF_SQL_NOW_MS
    " "
    "FROM due WHERE w.workflow_uuid = due.workflow_uuid RETURNING w.workflow_uuid"};

// $1, $2 executors dealt with and their epochs, $3 own executor, $4 prefix of our owner tokens,
// $5 whether our own earlier rows were dealt with, $6 version. Answers whether there is something
// to take over, and in how many milliseconds something falls due.
inline constexpr Statement kLookAhead = {
    "look_ahead",
    "WITH expired AS MATERIALIZED (SELECT e.executor_id FROM holdfast.executors AS e "
    "WHERE e.lease_expires_at <= clock_timestamp() AND e.executor_id <> $3::text "
    "AND NOT EXISTS (SELECT FROM unnest($1::text[], $2::int8[]) AS a (id, epoch) "
    "WHERE a.id = e.executor_id AND a.epoch = e.epoch)) "
    "SELECT EXISTS (SELECT FROM dbos.workflow_status AS w WHERE w.status = 'PENDING' "
    "AND w.application_version = $6::text "
    "AND (NOT $5::bool OR (SELECT count(*) FROM expired) > 0) "
    "AND ((NOT $5::bool AND w.executor_id = $3::text AND w.owner_xid IS NOT NULL "
    "AND left(w.owner_xid, length($4::text)) <> $4::text) "
    "OR w.executor_id IN (SELECT x.executor_id FROM expired AS x))), "
    "least((SELECT w.delay_until_epoch_ms FROM dbos.workflow_status AS w "
    "WHERE w.status = 'DELAYED' ORDER BY w.delay_until_epoch_ms LIMIT 1), "
    "(SELECT w.workflow_deadline_epoch_ms FROM dbos.workflow_status AS w "
    "WHERE w.status IN ('ENQUEUED', 'PENDING', 'DELAYED') "
    "AND w.workflow_deadline_epoch_ms IS NOT NULL "
    "ORDER BY w.workflow_deadline_epoch_ms LIMIT 1), "
    "(SELECT (extract(epoch FROM min(e.lease_expires_at)) * 1000)::bigint + 1 "
    "FROM holdfast.executors AS e WHERE e.executor_id <> $3::text "
    "AND e.lease_expires_at > clock_timestamp())) - " HF_SQL_NOW_MS};

}  // namespace holdfast::workflows::statements
