// Private PostgreSQL servers and what the tests ask their databases.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import pg from 'pg';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const listing = here('../../workflows/postgres/catalog_dbos_123.txt');
const question = here('../../workflows/postgres/catalog.sql');

// A server that ends with stop(), or with this process.
// isDurable: commits survive restart(); without it the server is faster.
export async function startPostgres({ isDurable = false } = {}) {
  const binary = process.env.HOLDFAST_TEST_POSTGRES;
  assert.ok(binary, 'HOLDFAST_TEST_POSTGRES names the program that starts a server');
  const server = spawn(binary, isDurable ? [] : ['--fast'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    assert.ok(!done, 'the PostgreSQL server did not start; its reason is above');
    return value;
  };
  assert.equal(await next(), 'ready');
  const ask = async (command) => {
    server.stdin.write(`${command}\n`);
    return next();
  };
  return {
    emptyDatabase: () => ask('empty'),
    migratedDatabase: () => ask('migrated'),
    // Without a checkpoint; every connection is cut.
    restart: () => ask('restart'),
    stop: async () => {
      const ended = once(server, 'exit');
      server.stdin.end();
      await ended;
    },
  };
}

export async function query(url, text, values) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

// Schema dbos of a database, one line an object, as the committed listing has it.
export async function catalog(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SELECT set_config('holdfast.schema', 'dbos', false)");
    const { rows } = await client.query(readFileSync(question, 'utf8'));
    return rows.map((row) => row.line);
  } finally {
    await client.end();
  }
}

export const committedCatalog = () => readFileSync(listing, 'utf8').trimEnd().split('\n');

// From now on every DDL statement in the database leaves its tag in public.ddl_seen.
export async function watchDdl(url) {
  await query(url, `
    CREATE TABLE public.ddl_seen (tag text);
    CREATE FUNCTION public.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO public.ddl_seen VALUES (tg_tag); END $$;
    CREATE EVENT TRIGGER note_ddl ON ddl_command_start EXECUTE FUNCTION public.note_ddl()`);
}

export const ddlSeen = async (url) =>
  (await query(url, 'SELECT tag FROM public.ddl_seen')).map((row) => row.tag);
