// Proves what a worker does with rows that it cannot or may not run, and what becomes of the work of
// one that dies: rows are made by hand or by DBOSClient 5.3.0, processes are killed and frozen.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { query, startPostgres } from './postgres.mjs';
import {
  failure, openClient, QUEUE, QUICK, runWorker, startWorker, until,
} from './worker.mjs';

const LEASE = { '--lease-seconds': 1 };

let server;
let url;
let client;
const workers = [];
before(async () => {
  server = await startPostgres();
});
after(async () => {
  await server?.stop();
});

// A database of its own for each group.
function onNewDatabase() {
  before(async () => {
    url = await server.migratedDatabase();
    client = await openClient('5.3.0', url);
  });
  after(async () => {
    for (const worker of workers.splice(0)) if (worker.isAlive()) await worker.kill();
    await client?.destroy();
  });
}

async function start(options) {
  const worker = await startWorker(url, options);
  workers.push(worker);
  return worker;
}

const enqueue = (workflowName, args, more) =>
  client.enqueue({ queueName: QUEUE, workflowName, ...more }, ...args);
const status = (id) => client.getWorkflow(id);
const steps = (id) => client.listWorkflowSteps(id);
const row = async (id) =>
  (await query(url, 'SELECT * FROM dbos.workflow_status WHERE workflow_uuid = $1', [id]))[0];

// A row as no client writes it.
async function insert(columns) {
  const id = randomUUID();
  const all = { workflow_uuid: id, status: 'ENQUEUED', name: 'conf_identity', queue_name: QUEUE,
    executor_id: '', recovery_attempts: 0, ...columns };
  const names = Object.keys(all);
  await query(url, `INSERT INTO dbos.workflow_status (${names.join(', ')}) VALUES `
    + `(${names.map((_, i) => `$${i + 1}`).join(', ')})`, Object.values(all));
  return id;
}

// The worker has looked at the queue since: later work is done.
async function lookAtQueue() {
  assert.equal(await (await enqueue('conf_identity', ['look'])).getResult(QUICK), 'look');
}

describe('what a worker cannot run', () => {
  onNewDatabase();
  let worker;
  before(async () => {
    worker = await start();
  });

  const LEFT_ALONE = {
    'another workflow name': { name: 'conf_of_others' },
    'another queue': { queue_name: 'other' },
    'another application': { application_name: 'other' },
    'another application version': { application_version: 'v0' },
  };
  for (const [what, columns] of Object.entries(LEFT_ALONE)) {
    it(`${what}: it is left for others`, async () => {
      const id = await insert(columns);
      const before = await row(id);
      await lookAtQueue();
      assert.deepEqual(await row(id), before);
      assert.equal((await status(id)).status, 'ENQUEUED');
    });
  }

  const POISON = {
    'pickled arguments': { serialization: 'py_pickle', inputs: 'gASVBgAAAAAAAABLAUsChpQu' },
    'an unknown format': { serialization: 'cbor', inputs: 'x' },
    'inputs that are no JSON': { serialization: 'portable_json', inputs: '{"positionalArgs": [1' },
    'inputs of another shape': { serialization: 'portable_json', inputs: '[1]' },
    'arguments that are no array': { serialization: 'portable_json', inputs: '{"positionalArgs": 7}' },
    'named arguments that are no object': { serialization: 'portable_json', inputs: '{"namedArgs": [1]}' },
    'an empty text': { serialization: 'portable_json', inputs: '' },
    'a broken native text': { serialization: 'js_superjson', inputs: '{"json":[1' },
    'a native text that is no list': { serialization: 'js_superjson',
      inputs: '{"json":{"a":1},"__dbos_serializer":"superjson"}' },
    'a very deep text': { serialization: 'portable_json',
      inputs: `{"positionalArgs":[${'['.repeat(100_000)}${']'.repeat(100_000)}]}` },
    'arguments of a wrong type': { serialization: 'portable_json', name: 'conf_slow',
      inputs: '{"positionalArgs": ["many", 1]}' },
    'too few arguments': { serialization: 'portable_json', name: 'conf_slow',
      inputs: '{"positionalArgs": [1]}' },
    'too many arguments': { serialization: 'portable_json', name: 'conf_slow',
      inputs: '{"positionalArgs": [1, 2, 3]}' },
  };
  for (const [what, columns] of Object.entries(POISON)) {
    it(`${what}: it is parked with a clear error, and the worker goes on`, async () => {
      const id = await insert(columns);
      await until(async () => (await row(id)).status === 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
      const parked = await row(id);
      assert.match(parked.error, /inputs cannot be read|payload format is not known/);
      assert.equal(parked.owner_xid, null);
      assert.notEqual(parked.completed_at, null);
      assert.equal(parked.serialization, columns.serialization);
      // The client lists it, and tells its result's reader that it will not come.
      const [listed] = await client.listWorkflows({ workflowIDs: [id] });
      assert.equal(listed.status, 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
      const error = await failure(client.retrieveWorkflow(id).getResult(QUICK));
      assert.match(error.name + error.message, /recovery/i);
      await until(() => worker.said.some((line) => line.startsWith('parked:') && line.includes(id)));
      await lookAtQueue();
      assert.ok(worker.isAlive());
    });
  }

  it('a parked workflow runs when its row is mended and it is resumed', async () => {
    const id = await insert({ serialization: 'portable_json', inputs: '{"positionalArgs": [1' });
    await until(async () => (await status(id)).status === 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
    await query(url, 'UPDATE dbos.workflow_status SET inputs = $2 WHERE workflow_uuid = $1',
      [id, '{"positionalArgs": [1]}']);
    await client.resumeWorkflow(id);
    assert.equal(await client.retrieveWorkflow(id).getResult(QUICK), 1);
    assert.equal((await row(id)).error, null);
  });

  it('steps that do not fit the code: it is parked, and says what was recorded', async () => {
    const id = await insert({ name: 'conf_slow', serialization: 'portable_json',
      inputs: '{"positionalArgs": [2, 1]}', status: 'CANCELLED', queue_name: null });
    await query(url, 'INSERT INTO dbos.operation_outputs (workflow_uuid, function_id, '
      + "function_name, output, serialization) VALUES ($1, 0, 'charge', '1', 'portable_json')", [id]);
    await client.resumeWorkflow(id);
    await until(async () => (await status(id)).status === 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
    const error = JSON.parse((await row(id)).error);
    assert.equal(error.name, 'ReplayMismatch');
    assert.deepEqual(error.data, { function_id: 0, recorded: 'charge', actual: 'nap' });
  });

  it('claimed too often: it is a dead letter, which can be resumed', async () => {
    const id = await insert({ serialization: 'portable_json', inputs: '{"positionalArgs": [9]}',
      recovery_attempts: 101 });
    await until(async () => (await status(id)).status === 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
    await client.resumeWorkflow(id);
    assert.equal(await client.retrieveWorkflow(id).getResult(QUICK), 9);
  });

  it('a row without a format is read as DBOS reads it', async () => {
    const id = await insert({ inputs: '{"json":["x"],"__dbos_serializer":"superjson"}' });
    assert.equal(await client.retrieveWorkflow(id).getResult(QUICK), 'x');
  });

  it("Go's format is answered in kind", async () => {
    const id = await insert({ serialization: 'DBOS_JSON',
      inputs: Buffer.from('{"k":[1,2]}').toString('base64') });
    await until(async () => (await row(id)).status === 'SUCCESS');
    assert.equal(Buffer.from((await row(id)).output, 'base64').toString(), '{"k":[1,2]}');
  });
});

describe('several workers', () => {
  onNewDatabase();
  before(async () => {
    await start(LEASE);
    await start(LEASE);
  });

  it('share a queue, and each workflow runs in one of them', async () => {
    await client.registerQueue(QUEUE, { workerConcurrency: 2 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const handles = [];
    for (let i = 0; i < 24; ++i) handles.push(await enqueue('conf_slow', [2, 30]));
    await Promise.all(handles.map((handle) => handle.getResult(QUICK)));
    const rows = await Promise.all(handles.map((handle) => row(handle.workflowID)));
    assert.equal(new Set(rows.map((each) => each.executor_id)).size, 2);
    for (const each of rows) {
      assert.equal(Number(each.recovery_attempts), 1);
      assert.equal((await steps(each.workflow_uuid)).length, 2);
    }
    await client.registerQueue(QUEUE, {});
  });
});

describe('the work of a worker', () => {
  onNewDatabase();

  // A worker, and a workflow of it that is under way for a second more.
  async function beginWork() {
    const first = await start(LEASE);
    const handle = await enqueue('conf_slow', [12, 100]);
    await until(async () => (await steps(handle.workflowID)).length >= 2);
    return { first, handle };
  }

  async function checkTakenOver(handle, before) {
    assert.ok(before.steps.length < 12);
    assert.deepEqual(await handle.getResult(QUICK), { n: 12 });
    const after = await steps(handle.workflowID);
    assert.deepEqual(after.map((step) => step.functionID), [...Array(12).keys()]);
    assert.deepEqual(after.slice(0, before.steps.length), before.steps);
    const taken = await row(handle.workflowID);
    assert.notEqual(taken.executor_id, before.row.executor_id);
    assert.equal(Number(taken.recovery_attempts), 2);
  }

  const look = async ({ workflowID }) =>
    ({ row: await row(workflowID), steps: await steps(workflowID) });

  it('that is killed is taken over when its lease has ended', async () => {
    const { first, handle } = await beginWork();
    await first.kill();
    const before = await look(handle);
    assert.equal(before.row.status, 'PENDING');
    const second = await start(LEASE);
    await checkTakenOver(handle, before);
    await second.stop();
  });

  it('that is stopped is taken over at once', async () => {
    const { first, handle } = await beginWork();
    assert.equal(await first.stop(), 0);
    const before = await look(handle);
    const second = await start();
    await checkTakenOver(handle, before);
    await second.stop();
  });

  it('that is frozen past its lease is taken over, and it writes nothing when it wakes up', async () => {
    const { first, handle } = await beginWork();
    first.freeze();
    const before = await look(handle);
    const second = await start(LEASE);
    await until(async () => (await row(handle.workflowID)).executor_id !== before.row.executor_id);
    first.thaw();
    await checkTakenOver(handle, before);
    await until(() => first.said.some((line) => line.startsWith('lease: lost')));
    // It has a new lease and is of use again.
    await second.stop();
    assert.equal(await (await enqueue('conf_identity', ['back'])).getResult(QUICK), 'back');
    await first.stop();
  });

  it('that is killed is found by its own next life, under the same executor id', async () => {
    const same = { ...LEASE, '--executor-id': 'pod-1' };
    const first = await start(same);
    const handle = await enqueue('conf_slow', [6, 100]);
    await until(async () => (await steps(handle.workflowID)).length >= 2);
    await first.kill();
    const before = await steps(handle.workflowID);
    const next = await start(same);
    assert.deepEqual(await handle.getResult(QUICK), { n: 6 });
    assert.deepEqual((await steps(handle.workflowID)).slice(0, before.length), before);
    await next.stop();
  });

  it('that waits for a message is taken over, and the message finds it', async () => {
    const first = await start(LEASE);
    const handle = await enqueue('conf_msg', [60]);
    await until(async () => (await steps(handle.workflowID)).length >= 1);
    const second = await start(LEASE);
    await first.kill();
    await client.send(handle.workflowID, 'hello', 'go');
    assert.equal(await handle.getResult(QUICK), 'hello');
    await second.stop();
  });
});

describe('a restart of the database', () => {
  let durable;
  before(async () => {
    durable = await startPostgres({ isDurable: true });
    url = await durable.migratedDatabase();
    client = await openClient('5.3.0', url);
  });
  after(async () => {
    await client?.destroy();
    await durable?.stop();
  });

  it('interrupts a worker, which goes on without repeating a step', async () => {
    const worker = await start();
    const handle = await enqueue('conf_slow', [30, 50]);
    const waiting = await enqueue('conf_msg', [60]);
    await until(async () => (await steps(handle.workflowID)).length >= 3);
    const before = await steps(handle.workflowID);
    await client.destroy();
    await durable.restart();
    client = await openClient('5.3.0', url);
    assert.deepEqual(await client.retrieveWorkflow(handle.workflowID).getResult(QUICK), { n: 30 });
    const after = await steps(handle.workflowID);
    assert.deepEqual(after.map((step) => step.functionID), [...Array(30).keys()]);
    assert.deepEqual(after.slice(0, before.length), before);
    await client.send(waiting.workflowID, 'hello', 'go');
    assert.equal(await client.retrieveWorkflow(waiting.workflowID).getResult(QUICK), 'hello');
    assert.equal(await (await enqueue('conf_identity', [1])).getResult(QUICK), 1);
    // A lease that ends meanwhile is no harm; commits that are gone would be.
    assert.doesNotMatch(worker.said.join('\n'), /missing/);
    assert.equal(await worker.stop(), 0);
  });
});

describe('a worker that cannot start', () => {
  onNewDatabase();
  const REFUSALS = {
    'no such server': async () => ['postgresql://nobody@127.0.0.1:1/none', {}, 1, /connect/i],
    'no such database': async () => [url.replace(/\/[^/?]*(\?|$)/, '/missing$1'), {}, 1, /missing/],
    'an URL that is none': async () => ['http://x y', {}, undefined, /./],
    'a schema that is not there, and must not be made': async () =>
      [await server.emptyDatabase(), { '--no-migrate': '' }, 1, /not up to date/],
    'an older schema of others': async () => {
      const older = await server.emptyDatabase();
      await query(older, 'CREATE SCHEMA dbos; CREATE TABLE dbos.dbos_migrations (version bigint '
        + 'PRIMARY KEY); INSERT INTO dbos.dbos_migrations VALUES (108)');
      return [older, {}, 1, /dbos/];
    },
    'no queue': async () => [url, { '--queue': undefined }, 2, /queue/],
    'a lease of nothing': async () => [url, { '--lease-seconds': 0 }, 2, /lease/],
  };
  for (const [what, make] of Object.entries(REFUSALS)) {
    it(`${what}: says so in a line, and its exit status is not 0`, async () => {
      const [target, options, wanted, pattern] = await make();
      const { code, said } = await runWorker(target, options);
      const errors = said.filter((line) => line.startsWith('error: '));
      assert.equal(errors.length, 1, said.join('\n'));
      assert.match(errors[0], pattern);
      assert.notEqual(code, 0);
      if (wanted !== undefined) assert.equal(code, wanted);
    });
  }

  it('makes the schema where there is none', async () => {
    const worker = await startWorker(await server.emptyDatabase());
    assert.equal(await worker.stop(), 0);
  });
});
