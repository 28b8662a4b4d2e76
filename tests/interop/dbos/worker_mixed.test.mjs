// Proves that our worker and an application on DBOS's own SDK share one database: on a schema that
// the SDK made, each runs its own workflows, and a workflow of theirs uses one of ours.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { catalog, query, startPostgres } from './postgres.mjs';
import { openClient, QUEUE, QUICK, startWorker } from './worker.mjs';

describe('an application of DBOS and a worker of ours', () => {
  let server;
  let url;
  let app;
  let lines;
  let worker;
  let client;
  let schema;
  before(async () => {
    server = await startPostgres();
    url = await server.emptyDatabase();
    app = spawn(process.execPath, [fileURLToPath(new URL('app.mjs', import.meta.url)), url],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    lines = createInterface({ input: app.stdout })[Symbol.asyncIterator]();
    await answer((line) => line === 'ready');
    schema = await catalog(url);
    worker = await startWorker(url);
    client = await openClient('5.3.0', url);
  });
  after(async () => {
    await client?.destroy();
    await worker?.stop();
    app?.kill();
    await server?.stop();
  });

  // The next line that is meant for us: the SDK logs on standard output as well.
  async function answer(isAnswer) {
    for (;;) {
      const { value, done } = await lines.next();
      assert.ok(!done, 'the application ended');
      if (isAnswer(value)) return value;
    }
  }

  it('the worker leaves their schema as it is', async () => {
    assert.deepEqual(await catalog(url), schema);
  });

  it('a workflow of theirs calls one of ours', async () => {
    app.stdin.write('hello\n');
    const line = await answer((text) => text.startsWith('{"sum"'));
    assert.deepEqual(JSON.parse(line), { sum: 'from theirs: hello', named: {} });
    const rows = await client.listWorkflows({});
    const ours = rows.find((row) => row.workflowName === 'conf_echo');
    const theirs = rows.find((row) => row.workflowName === 'askOurs');
    assert.equal(ours.applicationName, 'interop');
    assert.equal(theirs.applicationName, 'theirs');
    assert.equal(ours.parentWorkflowID, theirs.workflowID);
    assert.equal(theirs.status, 'SUCCESS');
  });

  it('resumed work on the common internal queue finds the one that knows it', async () => {
    const options = { queueName: QUEUE, workflowName: 'conf_identity', applicationName: 'interop' };
    for (let i = 0; i < 4; ++i) {
      const handle = await client.enqueue(options, i);
      await handle.getResult(QUICK);
      const fork = await client.forkWorkflow(handle.workflowID, 0);
      assert.equal(await client.retrieveWorkflow(fork).getResult(QUICK), i);
    }
    const [{ workflowID }] = await client.listWorkflows({ workflowName: 'askOurs' });
    const fork = await client.forkWorkflow(workflowID, 0);
    assert.deepEqual(await client.retrieveWorkflow(fork).getResult(QUICK),
      { sum: 'from theirs: hello', named: {} });
    assert.deepEqual((await query(url, 'SELECT DISTINCT status FROM dbos.workflow_status')),
      [{ status: 'SUCCESS' }]);
  });
});
