// Proves that DBOS's own command line works on our database: `npx dbos workflow ...` of two releases
// against a running worker, its output parsed and compared with what happened.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { startPostgres } from './postgres.mjs';
import { openClient, QUEUE, QUICK, startWorker, until } from './worker.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const COMMANDS = {
  '5.3.0': ['npx', '--no-install', 'dbos'],
  '4.27.6': [process.execPath, here('node_modules/dbos-sdk-4/dist/src/cli/cli.js')],
};

for (const [release, command] of Object.entries(COMMANDS)) {
  describe(`the command line of ${release}`, () => {
    let server;
    let url;
    let worker;
    let client;
    before(async () => {
      server = await startPostgres();
      url = await server.migratedDatabase();
      worker = await startWorker(url);
      client = await openClient(release, url);
    });
    after(async () => {
      await client?.destroy();
      await worker?.stop();
      await server?.stop();
    });

    async function dbos(...words) {
      const [program, ...parts] = [...command, 'workflow', ...words, '--sys-db-url', url];
      const { stdout } = await promisify(execFile)(program, parts,
        { cwd: here('.'), timeout: 60_000, env: { ...process.env, NO_COLOR: '1' } });
      const line = stdout.split('\n').find((text) => /^[[{]/.test(text));
      return line === undefined ? undefined : JSON.parse(line);
    }
    const enqueue = (workflowName, args, more) =>
      client.enqueuePortable({ queueName: QUEUE, workflowName, ...more }, args);
    const stepCount = async (id) => (await client.listWorkflowSteps(id)).length;

    it('lists workflows', async () => {
      const done = await enqueue('conf_echo', [1, 2]);
      await done.getResult(QUICK);
      const failed = await enqueue('conf_fail', ['no']);
      await failed.getResult(QUICK).catch(() => {});
      const rows = await dbos('list', '--limit', '100');
      const find = (handle) => rows.find((row) => row.workflowID === handle.workflowID);
      assert.equal(find(done).status, 'SUCCESS');
      assert.equal(find(done).output, '{ sum: 3, named: {} }');
      assert.equal(find(failed).status, 'ERROR');
      assert.match(find(failed).error, /ValueError/);
      const filtered = await dbos('list', '--status', 'ERROR', '--name', 'conf_fail');
      assert.deepEqual(filtered.map((row) => row.workflowID), [failed.workflowID]);
    });

    it('gets one, and its steps', async () => {
      const handle = await enqueue('conf_echo', ['a', 'b']);
      await handle.getResult(QUICK);
      const row = await dbos('get', handle.workflowID);
      assert.equal(row.workflowID, handle.workflowID);
      assert.equal(row.workflowName, 'conf_echo');
      assert.equal(row.applicationVersion, 'v1');
      const steps = await dbos('steps', handle.workflowID);
      assert.deepEqual(steps.map(({ functionID, name, output }) => ({ functionID, name, output })), [
        { functionID: 0, name: 'step', output: "'ab'" },
        { functionID: 1, name: 'step', output: "'done'" },
      ]);
    });

    it('cancels and resumes', async () => {
      const handle = await enqueue('conf_slow', [10_000, 100]);
      await until(async () => (await stepCount(handle.workflowID)) >= 1);
      await dbos('cancel', handle.workflowID);
      const canceled = await dbos('get', handle.workflowID);
      assert.equal(canceled.status, 'CANCELLED');
      const before = await client.listWorkflowSteps(handle.workflowID);
      await dbos('resume', handle.workflowID);
      await until(async () => (await stepCount(handle.workflowID)) > before.length);
      const after = await client.listWorkflowSteps(handle.workflowID);
      assert.deepEqual(after.slice(0, before.length), before);
      assert.equal((await dbos('get', handle.workflowID)).status, 'PENDING');
      await client.cancelWorkflow(handle.workflowID);
    });

    it('forks from a step', async () => {
      const handle = await enqueue('conf_slow', [3, 1]);
      await handle.getResult(QUICK);
      await dbos('fork', handle.workflowID, '--step', '2', '--forked-workflow-id', 'the-fork');
      assert.deepEqual(await client.retrieveWorkflow('the-fork').getResult(QUICK), { n: 3 });
      const [original, fork] = await Promise.all([handle.workflowID, 'the-fork'].map((id) =>
        client.listWorkflowSteps(id)));
      assert.deepEqual(fork.slice(0, 2), original.slice(0, 2));
      assert.ok(fork[2].startedAtEpochMs >= original[2].completedAtEpochMs);
    });

    it('lists what waits in a queue', async () => {
      const handle = await enqueue('conf_identity', [1], { delaySeconds: 3600 });
      const rows = await dbos('queue', 'list', '--queue', QUEUE, '--limit', '10');
      assert.deepEqual(rows.map((row) => row.workflowID), [handle.workflowID]);
    });
  });
}
