-- What: schema dbos at version 123: the system tables of DBOS Transact, with the indexes, the
-- functions and the trigger that its clients and command line rely on.
-- Why: the durable runtime keeps its journal in the tables that an existing ecosystem reads and
-- writes, so that its clients list, enqueue, cancel, resume and fork workflows of ours. The order
-- of columns, the names of constraints and indexes, and the defaults are part of the contract: with
-- the right number in dbos_migrations nobody who opens the schema changes anything.
-- tests/workflows/postgres compares the result with the committed catalog.
-- Lock impact: none on anything that exists; it only creates. Where schema dbos is already there at
-- this version this file is not run.
-- Needs PostgreSQL 13 (gen_random_uuid without an extension).

CREATE SCHEMA IF NOT EXISTS dbos;

-- One row: the last migration applied. Readers treat an equal or greater number as "nothing to do".
CREATE TABLE dbos.dbos_migrations (
  version bigint PRIMARY KEY
);

-- One row a workflow. Times are milliseconds since the Unix epoch.
-- owner_xid: token of the execution that owns the row, NULL unless PENDING; every write of a run is
-- conditional on it. creator_xid: token of the INSERT that made the row.
CREATE TABLE dbos.workflow_status (
  workflow_uuid              text PRIMARY KEY,
  status                     text,
  name                       text,
  authenticated_user         text,
  assumed_role               text,
  authenticated_roles        text,
  request                    text,
  output                     text,
  error                      text,
  executor_id                text,
  created_at                 bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  updated_at                 bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  application_version        text,
  application_id             text,
  class_name                 varchar(255) DEFAULT NULL,
  config_name                varchar(255) DEFAULT NULL,
  recovery_attempts          bigint DEFAULT 0,
  queue_name                 text,
  workflow_timeout_ms        bigint,
  workflow_deadline_epoch_ms bigint,
  inputs                     text,
  started_at_epoch_ms        bigint,
  deduplication_id           text,
  priority                   integer NOT NULL DEFAULT 0,
  queue_partition_key        text,
  forked_from                text,
  owner_xid                  text,
  parent_workflow_id         text,
  serialization              text,
  delay_until_epoch_ms       bigint,
  was_forked_from            boolean NOT NULL DEFAULT false,
  rate_limited               boolean NOT NULL DEFAULT false,
  completed_at               bigint,
  attributes                 jsonb,
  schedule_name              text,
  debounce_deadline_epoch_ms bigint,
  is_debounced               boolean NOT NULL DEFAULT false,
  application_name           text,
  creator_xid                text
);

-- Claiming: in flight per queue, the same with a partition key, own rows to recover.
CREATE INDEX idx_workflow_status_in_flight_v2 ON dbos.workflow_status
  (queue_name, status, priority, created_at) INCLUDE (application_name)
  WHERE status IN ('ENQUEUED', 'PENDING');
CREATE INDEX idx_workflow_status_partition_dequeue_v3 ON dbos.workflow_status
  (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid)
  INCLUDE (application_name)
  WHERE status IN ('ENQUEUED', 'PENDING') AND queue_partition_key IS NOT NULL;
CREATE INDEX idx_workflow_status_pending ON dbos.workflow_status (created_at)
  WHERE status = 'PENDING';
CREATE UNIQUE INDEX uq_workflow_status_dedup_id ON dbos.workflow_status
  (queue_name, deduplication_id)
  WHERE deduplication_id IS NOT NULL;
CREATE INDEX idx_workflow_status_rate_limited ON dbos.workflow_status
  (queue_name, started_at_epoch_ms)
  WHERE rate_limited = true;

-- Sweeps: deadlines, delays, retention.
CREATE INDEX idx_workflow_status_deadline ON dbos.workflow_status (workflow_deadline_epoch_ms)
  WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED') AND workflow_deadline_epoch_ms IS NOT NULL;
CREATE INDEX idx_workflow_status_delayed ON dbos.workflow_status (delay_until_epoch_ms)
  WHERE status = 'DELAYED';
CREATE INDEX idx_workflow_status_completed_at ON dbos.workflow_status (completed_at)
  WHERE completed_at IS NOT NULL;

-- Listings.
CREATE INDEX workflow_status_created_at_index ON dbos.workflow_status (created_at);
CREATE INDEX idx_workflow_status_failed ON dbos.workflow_status (status, created_at)
  WHERE status IN ('ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
CREATE INDEX idx_workflow_status_started_at ON dbos.workflow_status (started_at_epoch_ms)
  WHERE started_at_epoch_ms IS NOT NULL;
CREATE INDEX idx_workflow_status_forked_from ON dbos.workflow_status (forked_from)
  WHERE forked_from IS NOT NULL;
CREATE INDEX idx_workflow_status_parent_workflow_id ON dbos.workflow_status (parent_workflow_id)
  WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX idx_workflow_status_schedule_name ON dbos.workflow_status (schedule_name)
  WHERE schedule_name IS NOT NULL;
CREATE INDEX idx_workflow_status_attributes ON dbos.workflow_status USING gin (attributes)
  WHERE attributes IS NOT NULL;

-- Payloads apart from the status row. No foreign keys: rows may come and go in any order.
CREATE TABLE dbos.workflow_input (
  workflow_uuid       text PRIMARY KEY,
  inputs              text,
  retention_timestamp bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint
);
CREATE INDEX idx_workflow_input_retention ON dbos.workflow_input (retention_timestamp);

CREATE TABLE dbos.workflow_output (
  workflow_uuid       text PRIMARY KEY,
  output              text,
  error               text,
  retention_timestamp bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint
);
CREATE INDEX idx_workflow_output_retention ON dbos.workflow_output (retention_timestamp);

-- The step journal: one row a recorded outcome.
CREATE TABLE dbos.operation_outputs (
  workflow_uuid         text NOT NULL,
  function_id           integer NOT NULL,
  function_name         text NOT NULL DEFAULT '',
  output                text,
  error                 text,
  child_workflow_id     text,
  started_at_epoch_ms   bigint,
  completed_at_epoch_ms bigint,
  serialization         text,
  application_name      text,
  retention_timestamp   bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  PRIMARY KEY (workflow_uuid, function_id)
);
CREATE INDEX idx_operation_outputs_completed_at_function_name_v2 ON dbos.operation_outputs
  (completed_at_epoch_ms, function_name) INCLUDE (application_name);
CREATE INDEX idx_operation_outputs_retention ON dbos.operation_outputs (retention_timestamp);

-- Mailbox of send and recv. A message without a topic is stored under '__null__topic__'.
CREATE TABLE dbos.notifications (
  message_uuid            text PRIMARY KEY DEFAULT gen_random_uuid(),
  destination_uuid        text NOT NULL
    REFERENCES dbos.workflow_status ON UPDATE CASCADE ON DELETE CASCADE,
  topic                   text,
  message                 text NOT NULL,
  created_at_epoch_ms     bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  serialization           text,
  consumed                boolean NOT NULL DEFAULT false,
  consumed_by_function_id integer
);
CREATE INDEX idx_workflow_topic ON dbos.notifications (destination_uuid, topic);

-- Latest value of each event, and the history that fork and rewind restore it from.
CREATE TABLE dbos.workflow_events (
  workflow_uuid text NOT NULL
    REFERENCES dbos.workflow_status ON UPDATE CASCADE ON DELETE CASCADE,
  key           text NOT NULL,
  value         text NOT NULL,
  serialization text,
  PRIMARY KEY (workflow_uuid, key)
);

CREATE TABLE dbos.workflow_events_history (
  workflow_uuid text NOT NULL
    REFERENCES dbos.workflow_status ON UPDATE CASCADE ON DELETE CASCADE,
  function_id   integer NOT NULL,
  key           text NOT NULL,
  value         text NOT NULL,
  serialization text,
  PRIMARY KEY (workflow_uuid, function_id, key)
);

-- Append-only streams.
CREATE TABLE dbos.streams (
  workflow_uuid text NOT NULL
    REFERENCES dbos.workflow_status ON UPDATE CASCADE ON DELETE CASCADE,
  key           text NOT NULL,
  value         text NOT NULL,
  "offset"      integer NOT NULL,
  function_id   integer NOT NULL DEFAULT 0,
  serialization text,
  PRIMARY KEY (workflow_uuid, key, "offset")
);

-- Configuration that operators change at run time.
CREATE TABLE dbos.queues (
  queue_id                        text PRIMARY KEY DEFAULT gen_random_uuid()::text,
  name                            text NOT NULL UNIQUE,
  concurrency                     integer,
  worker_concurrency              integer,
  rate_limit_max                  integer,
  rate_limit_period_sec           double precision,
  priority_enabled                boolean NOT NULL DEFAULT false,
  partition_queue                 boolean NOT NULL DEFAULT false,
  polling_interval_sec            double precision NOT NULL DEFAULT 1.0,
  created_at                      bigint NOT NULL
    DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  updated_at                      bigint NOT NULL
    DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  application_name                text,
  partition_concurrency           integer,
  partition_worker_concurrency    integer,
  partition_rate_limit_max        integer,
  partition_rate_limit_period_sec double precision
);

CREATE TABLE dbos.workflow_schedules (
  schedule_id         text PRIMARY KEY,
  schedule_name       text NOT NULL UNIQUE,
  workflow_name       text NOT NULL,
  workflow_class_name text,
  schedule            text NOT NULL,
  status              text NOT NULL DEFAULT 'ACTIVE',
  context             text NOT NULL,
  last_fired_at       text,
  automatic_backfill  boolean NOT NULL DEFAULT false,
  cron_timezone       text,
  queue_name          text,
  application_name    text
);

-- The latest version is the one with the greatest version_timestamp.
CREATE TABLE dbos.application_versions (
  version_id        text PRIMARY KEY,
  version_name      text NOT NULL UNIQUE,
  version_timestamp bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  created_at        bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000.0)::bigint,
  application_name  text
);
CREATE UNIQUE INDEX uq_application_versions_owner_version ON dbos.application_versions
  (application_name, version_name) WHERE application_name IS NOT NULL;
CREATE UNIQUE INDEX uq_application_versions_unclaimed_version ON dbos.application_versions
  (version_name) WHERE application_name IS NULL;

-- State of event receivers. The runtime leaves it empty.
CREATE TABLE dbos.event_dispatch_kv (
  service_name     text NOT NULL,
  workflow_fn_name text NOT NULL,
  key              text NOT NULL,
  value            text,
  update_seq       numeric(38, 0),
  update_time      numeric(38, 15),
  PRIMARY KEY (service_name, workflow_fn_name, key)
);

-- Wakes a recv: who waits listens for 'workflow id::topic'.
CREATE FUNCTION dbos.notifications_function() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  PERFORM pg_notify('dbos_notifications_channel', NEW.destination_uuid || '::' || NEW.topic);
  RETURN NEW;
END
$body$;

CREATE TRIGGER dbos_notifications_trigger AFTER INSERT ON dbos.notifications
  FOR EACH ROW EXECUTE FUNCTION dbos.notifications_function();

-- Sends from SQL. A message id that was sent before is not sent again. Parameters are qualified
-- with the function's name where a column has the same one.
CREATE FUNCTION dbos.send_message(
  destination_id text,
  message        json,
  topic          text DEFAULT NULL,
  message_id     text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  INSERT INTO dbos.notifications
    (message_uuid, destination_uuid, topic, message, serialization)
  VALUES
    (coalesce(message_id, gen_random_uuid()::text),
     destination_id,
     coalesce(send_message.topic, '__null__topic__'),
     send_message.message,
     'portable_json')
  ON CONFLICT (message_uuid) DO NOTHING;
EXCEPTION WHEN foreign_key_violation THEN
  RAISE foreign_key_violation USING
    MESSAGE = 'DBOS non-existent workflow',
    DETAIL = format('Destination workflow %s does not exist', destination_id);
END
$body$;

-- Enqueues from SQL, and returns the workflow's id. An id that exists keeps its row and its inputs;
-- only updated_at moves.
CREATE FUNCTION dbos.enqueue_workflow(
  workflow_name        text,
  queue_name           text,
  positional_args      json[]  DEFAULT ARRAY[]::json[],
  named_args           json    DEFAULT '{}'::json,
  class_name           text    DEFAULT NULL,
  config_name          text    DEFAULT NULL,
  workflow_id          text    DEFAULT NULL,
  app_version          text    DEFAULT NULL,
  timeout_ms           bigint  DEFAULT NULL,
  deadline_epoch_ms    bigint  DEFAULT NULL,
  deduplication_id     text    DEFAULT NULL,
  priority             integer DEFAULT NULL,
  queue_partition_key  text    DEFAULT NULL,
  authenticated_user   text    DEFAULT NULL,
  authenticated_roles  text    DEFAULT NULL,
  delay_until_epoch_ms bigint  DEFAULT NULL,
  application_name     text    DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  id         text   := coalesce(workflow_id, gen_random_uuid()::text);
  created_ms bigint := extract(epoch FROM now()) * 1000;
BEGIN
  IF coalesce(workflow_name, '') = '' THEN
    RAISE 'Workflow name cannot be null or empty';
  ELSIF coalesce(enqueue_workflow.queue_name, '') = '' THEN
    RAISE 'Queue name cannot be null or empty';
  ELSIF jsonb_typeof(named_args::jsonb) <> 'object' THEN
    RAISE 'Named args must be a JSON object';
  ELSIF workflow_id = '' THEN
    RAISE 'Workflow ID cannot be an empty string if provided.';
  ELSIF enqueue_workflow.delay_until_epoch_ms < 0 THEN
    RAISE 'delay_until_epoch_ms must be >= 0';
  END IF;

  INSERT INTO dbos.workflow_status
    (workflow_uuid, status, name, class_name, config_name, serialization,
     queue_name, queue_partition_key, deduplication_id, priority, delay_until_epoch_ms,
     application_name, application_version, authenticated_user, authenticated_roles,
     workflow_timeout_ms, workflow_deadline_epoch_ms,
     recovery_attempts, owner_xid, created_at, updated_at)
  VALUES
    (id,
     CASE WHEN enqueue_workflow.delay_until_epoch_ms IS NULL THEN 'ENQUEUED' ELSE 'DELAYED' END,
     workflow_name, enqueue_workflow.class_name, enqueue_workflow.config_name, 'portable_json',
     enqueue_workflow.queue_name, enqueue_workflow.queue_partition_key,
     enqueue_workflow.deduplication_id, coalesce(enqueue_workflow.priority, 0),
     enqueue_workflow.delay_until_epoch_ms,
     enqueue_workflow.application_name, app_version,
     enqueue_workflow.authenticated_user, enqueue_workflow.authenticated_roles,
     timeout_ms, deadline_epoch_ms,
     0, gen_random_uuid()::text, created_ms, created_ms)
  ON CONFLICT (workflow_uuid) DO UPDATE SET updated_at = excluded.updated_at;

  INSERT INTO dbos.workflow_input (workflow_uuid, inputs, retention_timestamp)
  VALUES
    (id,
     json_build_object('positionalArgs', positional_args, 'namedArgs', named_args)::text,
     created_ms)
  ON CONFLICT (workflow_uuid) DO NOTHING;

  RETURN id;
EXCEPTION WHEN unique_violation THEN
  RAISE unique_violation USING
    MESSAGE = 'DBOS queue duplicated',
    DETAIL = format('Workflow %s with queue %s and deduplication ID %s already exists',
                    id, enqueue_workflow.queue_name, enqueue_workflow.deduplication_id);
END
$body$;

INSERT INTO dbos.dbos_migrations (version) VALUES (123);
