// Proves that the schema which our migrations make is the one that DBOS's SDK makes and expects: the
// catalogs are compared live, the SQL functions give the same rows and errors, and a launch of
// either release on our database changes nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import {
  catalog, committedCatalog, ddlSeen, query, startPostgres, watchDdl,
} from './postgres.mjs';

const RELEASES = { '5.3.0': '@dbos-inc/dbos-sdk', '4.27.6': 'dbos-sdk-4' };

function launch(release, url) {
  const script = fileURLToPath(new URL('launch.mjs', import.meta.url));
  execFileSync(process.execPath, [script, RELEASES[release], url],
    { timeout: 60_000, stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('schema dbos', () => {
  let server;
  let theirs;
  before(async () => {
    server = await startPostgres();
    theirs = await server.emptyDatabase();
    launch('5.3.0', theirs);
  });
  after(() => server?.stop());

  it("is the one that 5.3.0's own migration makes", async () => {
    const [{ version }] = await query(theirs, 'SELECT version FROM dbos.dbos_migrations');
    assert.equal(Number(version), 123);
    const original = await catalog(theirs);
    assert.deepEqual(await catalog(await server.migratedDatabase()), original);
    assert.deepEqual(committedCatalog(), original);
  });

  for (const release of Object.keys(RELEASES)) {
    it(`is left as it is by a launch of ${release}`, async () => {
      const ours = await server.migratedDatabase();
      await watchDdl(ours);
      const before = await catalog(ours);
      launch(release, ours);
      assert.deepEqual(await ddlSeen(ours), []);
      assert.deepEqual(await catalog(ours), before);
      assert.deepEqual(await query(ours, 'SELECT version FROM dbos.dbos_migrations'),
        [{ version: '123' }]);
      // The launch did happen: it registered its version.
      const rows = await query(ours, 'SELECT count(*)::int AS n FROM dbos.application_versions');
      assert.equal(rows[0].n, 1);
    });
  }

  it('would be changed by a launch if its version were lower: the watch sees it', async () => {
    const ours = await server.migratedDatabase();
    await query(ours, 'UPDATE dbos.dbos_migrations SET version = 122');
    await watchDdl(ours);
    try { launch('5.3.0', ours); } catch { /* what it makes of that is its own business */ }
    assert.notDeepEqual(await ddlSeen(ours), []);
  });

  describe('its SQL functions do what the originals do', () => {
    const enqueue = (args) => `SELECT dbos.enqueue_workflow(${args}) AS result`;
    const send = (args) => `SELECT dbos.send_message(${args}) AS result`;
    const CALLS = [
      enqueue("'w', 'q', workflow_id => 'a'"),
      enqueue("'w2', 'q2', ARRAY['1','\"x\"','null']::json[], workflow_id => 'a'"),
      enqueue("'w', 'q', ARRAY['1','{\"k\": [1,  2]}']::json[], '{\"n\": 1.50}', 'C', 'F', 'b', 'v1', "
        + "5000, 7000, 'd', 2, 'p', 'user', '[\"r\"]', NULL, 'app'"),
      enqueue("'w', 'q', NULL, NULL, workflow_id => 'c', priority => NULL"),
      enqueue("'w', 'q', workflow_id => 'e', delay_until_epoch_ms => 0"),
      enqueue("'w', 'q', workflow_id => 'f', deduplication_id => 'd'"),
      enqueue("'w', 'q', workflow_id => NULL, deduplication_id => 'd'")
        .replace(' AS result', " = '' AS result"),
      enqueue("'w', 'q', workflow_id => ''"),
      enqueue("'', 'q'"), enqueue("NULL, 'q'"), enqueue("'w', ''"), enqueue("'w', NULL"),
      enqueue("'w', 'q', named_args => '[1]'"), enqueue("'w', 'q', named_args => '1'"),
      enqueue("'w', 'q', named_args => 'null'"),
      enqueue("'w', 'q', named_args => '{\"a\": \"\\u0000\"}'"),
      enqueue("'', '', named_args => '[1]', workflow_id => '', delay_until_epoch_ms => -1"),
      enqueue("'w', 'q', workflow_id => 'g', delay_until_epoch_ms => -1"),
      enqueue(`'w', 'q', workflow_id => 'h', class_name => '${'x'.repeat(256)}'`),
      send("'a', '{\"m\":  1}'"), send("'a', '1', 't', 'm1'"), send("'a', '2', 'u', 'm1'"),
      send("'a', NULL, 't', 'm2'"), send("'missing', '1'"), send("NULL, '1'"),
      "INSERT INTO dbos.notifications (destination_uuid, topic, message) VALUES ('b', NULL, 'x')",
    ];

    async function outcome(url, call) {
      try {
        return await query(url, call);
      } catch (error) {
        const detail = error.detail?.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>')
          // A failing row is printed with its times and its random token.
          .replace(/^(Failing row contains).*/s, '$1');
        return { code: error.code, message: error.message, detail };
      }
    }

    async function contents(url) {
      const tables = ['workflow_status', 'workflow_input', 'notifications'];
      const result = {};
      for (const table of tables) {
        const rows = await query(url, `SELECT to_jsonb(t) AS row FROM dbos.${table} t ORDER BY t::text`);
        result[table] = rows.map(({ row }) => {
          for (const column of ['created_at', 'updated_at', 'created_at_epoch_ms',
            'retention_timestamp']) {
            if (column in row) row[column] = typeof row[column];
          }
          if (row.owner_xid !== undefined) row.owner_xid = row.owner_xid?.length;
          if (row.message_uuid?.length === 36) row.message_uuid = '<id>';
          return row;
        });
        result[table].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
      }
      return result;
    }

    it('the same answers, errors and rows, call by call', async () => {
      const original = await server.emptyDatabase();
      launch('5.3.0', original);
      const ours = await server.migratedDatabase();
      for (const call of CALLS) {
        assert.deepEqual(await outcome(ours, call), await outcome(original, call), call);
      }
      const expected = await contents(original);
      assert.ok(expected.workflow_status.length >= 4);
      assert.ok(expected.notifications.length >= 3);
      assert.deepEqual(await contents(ours), expected);
    });

    it('the same notifications', async () => {
      const heard = [];
      const original = await server.emptyDatabase();
      launch('5.3.0', original);
      for (const url of [original, await server.migratedDatabase()]) {
        const { default: pg } = await import('pg');
        const client = new pg.Client({ connectionString: url });
        await client.connect();
        const payloads = [];
        client.on('notification', (message) => payloads.push([message.channel, message.payload]));
        await client.query('LISTEN dbos_notifications_channel');
        await client.query(enqueue("'w', 'q', workflow_id => 'a'"));
        await client.query(send("'a', '1'"));
        await client.query(send("'a', '1', 'topic'"));
        await client.query("INSERT INTO dbos.notifications (destination_uuid, message) VALUES "
          + "('a', 'x')");
        await client.query('SELECT 1');
        await client.end();
        heard.push(payloads);
      }
      assert.deepEqual(heard[1], heard[0]);
      assert.equal(heard[0].length, 3);
    });
  });
});
