-- What: schema holdfast: executors and their leases, the writers of the journal, and the functions
-- through which both change.
-- Why: schema dbos knows who ran a workflow, not whether that process still may. Here an executor
-- holds a lease that ends by the database's clock, and each batch of journal writes proves the
-- lease, its place in the sequence of batches, and the ownership of every workflow that it touches,
-- in its own transaction.
-- Lock impact: none on anything that exists; it only creates.
--
-- Conditions of their own, class HF:
--   HF001  the executor's lease ended, or another incarnation holds it
--   HF002  fences were lost; DETAIL is a JSON array of {"workflow_id", "owner_token"}
--   HF003  the batch is out of sequence; DETAIL is {"sequence": what the writer's row holds}
--   HF004  another incarnation holds the executor id; DETAIL is {"remaining_ms": ...}
-- Nothing of a transaction in which one of them was raised is kept.

CREATE SCHEMA IF NOT EXISTS holdfast;

-- One row an executor id, kept after its end. epoch grows with each registration. A lease that was
-- given back has lease_expires_at = -infinity. Heartbeats change no indexed column, and find room
-- on their page.
CREATE TABLE holdfast.executors (
  executor_id         text PRIMARY KEY,
  incarnation         uuid NOT NULL,
  epoch               bigint NOT NULL DEFAULT 1 CHECK (epoch > 0),
  application_name    text,
  application_version text,
  host                text,
  process_id          bigint,
  started_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  heartbeat_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_expires_at    timestamptz NOT NULL
) WITH (fillfactor = 50);

-- One row a shard of an incarnation that may write. Its lock is what serializes a batch with the
-- end of the lease: whoever takes over deletes these rows first, which waits for a batch that is
-- already at work and stops any later one. sequence counts the batches that are durable: read FOR
-- UPDATE after a lost connection, it tells whether the last one is among them.
CREATE TABLE holdfast.journal_writers (
  executor_id text NOT NULL,
  incarnation uuid NOT NULL,
  shard       integer NOT NULL CHECK (shard >= 0),
  sequence    bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
  PRIMARY KEY (executor_id, incarnation, shard)
) WITH (fillfactor = 10);

-- Takes the lease of an executor id and opens `shard_count` writers at sequence 0. Answers the
-- epoch. The same incarnation may ask again: it gets the same epoch and a fresh lease while its
-- lease lasts. Writers of earlier incarnations end here, after the batches they are at.
CREATE FUNCTION holdfast.register_executor(
  executor_id         text,
  incarnation         uuid,
  lease_ms            bigint,
  shard_count         integer,
  application_name    text DEFAULT NULL,
  application_version text DEFAULT NULL,
  host                text DEFAULT NULL,
  process_id          bigint DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
DECLARE
  lease     interval := register_executor.lease_ms * interval '1 millisecond';
  new_epoch bigint;
  remaining bigint;
BEGIN
  INSERT INTO holdfast.executors AS e
    (executor_id, incarnation, application_name, application_version, host, process_id,
     lease_expires_at)
  VALUES
    (register_executor.executor_id, register_executor.incarnation,
     register_executor.application_name, register_executor.application_version,
     register_executor.host, register_executor.process_id, clock_timestamp() + lease)
  ON CONFLICT (executor_id) DO UPDATE SET
    incarnation = excluded.incarnation,
    epoch = e.epoch + (e.incarnation <> excluded.incarnation)::integer,
    application_name = excluded.application_name,
    application_version = excluded.application_version,
    host = excluded.host,
    process_id = excluded.process_id,
    started_at = CASE WHEN e.incarnation = excluded.incarnation THEN e.started_at
                      ELSE clock_timestamp() END,
    heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + lease
  -- Another's lease that ended, or its own that runs.
  WHERE (e.lease_expires_at <= clock_timestamp()) = (e.incarnation <> excluded.incarnation)
  RETURNING e.epoch INTO new_epoch;

  IF new_epoch IS NULL THEN
    SELECT extract(epoch FROM e.lease_expires_at - clock_timestamp()) * 1000 INTO remaining
    FROM holdfast.executors AS e
    WHERE e.executor_id = register_executor.executor_id
      AND e.incarnation <> register_executor.incarnation;
    IF NOT FOUND THEN
      RAISE 'the lease of this incarnation of executor % ended', register_executor.executor_id
        USING ERRCODE = 'HF001';
    END IF;
    RAISE 'executor % is held by another incarnation', register_executor.executor_id
      USING ERRCODE = 'HF004', DETAIL = json_build_object('remaining_ms', remaining)::text;
  END IF;

  DELETE FROM holdfast.journal_writers AS w
  WHERE w.executor_id = register_executor.executor_id
    AND w.incarnation <> register_executor.incarnation;
  INSERT INTO holdfast.journal_writers (executor_id, incarnation, shard)
  SELECT register_executor.executor_id, register_executor.incarnation, n
  FROM generate_series(0, register_executor.shard_count - 1) AS n
  ON CONFLICT DO NOTHING;
  RETURN new_epoch;
END
$body$;

-- Prolongs a lease that has not ended; one that ended is not revived. Answers the epoch.
CREATE FUNCTION holdfast.renew_lease(executor_id text, incarnation uuid, lease_ms bigint)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
DECLARE
  held_epoch bigint;
BEGIN
  UPDATE holdfast.executors AS e SET
    heartbeat_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + renew_lease.lease_ms * interval '1 millisecond'
  WHERE e.executor_id = renew_lease.executor_id
    AND e.incarnation = renew_lease.incarnation
    AND e.lease_expires_at > clock_timestamp()
  RETURNING e.epoch INTO held_epoch;
  IF held_epoch IS NULL THEN
    RAISE 'executor % does not hold its lease', renew_lease.executor_id USING ERRCODE = 'HF001';
  END IF;
  RETURN held_epoch;
END
$body$;

-- Ends the lease of this very incarnation, if it holds it, and its writers.
CREATE FUNCTION holdfast.release_lease(executor_id text, incarnation uuid) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $body$
  UPDATE holdfast.executors AS e SET lease_expires_at = '-infinity'
  WHERE e.executor_id = release_lease.executor_id AND e.incarnation = release_lease.incarnation;
  DELETE FROM holdfast.journal_writers AS w
  WHERE w.executor_id = release_lease.executor_id AND w.incarnation = release_lease.incarnation;
$body$;

-- Closes the writers of an executor whose lease has ended, after the batches they are at: from its
-- commit on nothing of that incarnation can land, and what landed is visible. To be called, in a
-- transaction of its own, before its rows are taken over. False: the lease still runs.
CREATE FUNCTION holdfast.fence_executor(executor_id text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
BEGIN
  PERFORM FROM holdfast.executors AS e
  WHERE e.executor_id = fence_executor.executor_id AND e.lease_expires_at <= clock_timestamp()
  FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM holdfast.journal_writers AS w WHERE w.executor_id = fence_executor.executor_id;
  RETURN true;
END
$body$;

-- Opens batch `sequence` of a writer: the first statement of each transaction that writes to the
-- journal. All of it holds until the end of the transaction, or one of HF001, HF002, HF003 is
-- raised: the lease runs, this is the batch after the last durable one, and each workflow is
-- PENDING and owned by its token. Workflow rows are locked in the order of their ids, so that
-- batches do not deadlock; a workflow may be named more than once.
-- Rows are found by their keys and by nothing else. Left alone, the planner reads all of a table,
-- or of its PENDING rows, that was small when it was analyzed, keeps such a plan for the life of
-- the session, and plans anew for each short list of fences, which costs as much as the rest.
CREATE FUNCTION holdfast.begin_batch(
  executor_id  text,
  incarnation  uuid,
  shard        integer,
  sequence     bigint,
  workflow_ids text[],
  owner_tokens text[]
) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
#variable_conflict use_column
DECLARE
  fence_count    integer := cardinality(begin_batch.workflow_ids);
  held_count     integer;
  found_sequence bigint;
  lost           json;
BEGIN
  UPDATE holdfast.journal_writers AS w SET sequence = begin_batch.sequence
  WHERE w.executor_id = begin_batch.executor_id
    AND w.incarnation = begin_batch.incarnation
    AND w.shard = begin_batch.shard
    AND w.sequence = begin_batch.sequence - 1;
  IF NOT FOUND THEN
    SELECT w.sequence INTO found_sequence FROM holdfast.journal_writers AS w
    WHERE w.executor_id = begin_batch.executor_id
      AND w.incarnation = begin_batch.incarnation
      AND w.shard = begin_batch.shard;
    IF NOT FOUND THEN
      RAISE 'executor % does not hold its lease', begin_batch.executor_id USING ERRCODE = 'HF001';
    END IF;
    RAISE 'batch % of executor % shard % is out of sequence',
      begin_batch.sequence, begin_batch.executor_id, begin_batch.shard
      USING ERRCODE = 'HF003', DETAIL = json_build_object('sequence', found_sequence)::text;
  END IF;

  -- After the writer's row: whoever ends the lease waits for that row.
  PERFORM FROM holdfast.executors AS e
  WHERE e.executor_id = begin_batch.executor_id
    AND e.incarnation = begin_batch.incarnation
    AND e.lease_expires_at > clock_timestamp();
  IF NOT FOUND THEN
    RAISE 'executor % does not hold its lease', begin_batch.executor_id USING ERRCODE = 'HF001';
  END IF;

  IF fence_count > 0 THEN
    PERFORM FROM (
        SELECT f.id, f.token
        FROM unnest(begin_batch.workflow_ids, begin_batch.owner_tokens) AS f (id, token)
        ORDER BY f.id COLLATE "C") AS f
      CROSS JOIN LATERAL (
        SELECT s.owner_xid, s.status FROM dbos.workflow_status AS s
        WHERE s.workflow_uuid = f.id OFFSET 0  -- keeps the conditions below out of here
        FOR NO KEY UPDATE) AS s
    WHERE s.owner_xid = f.token AND s.status = 'PENDING';
    GET DIAGNOSTICS held_count = ROW_COUNT;
    IF held_count <> fence_count THEN
      SELECT json_agg(json_build_object('workflow_id', f.id, 'owner_token', f.token)) INTO lost
      FROM unnest(begin_batch.workflow_ids, begin_batch.owner_tokens) AS f (id, token)
      WHERE NOT EXISTS (
        SELECT FROM dbos.workflow_status AS s
        WHERE s.workflow_uuid = f.id AND s.owner_xid = f.token AND s.status = 'PENDING');
      RAISE '% of % workflows are not owned any more', fence_count - held_count, fence_count
        USING ERRCODE = 'HF002', DETAIL = lost::text;
    END IF;
  END IF;
END
$body$;
