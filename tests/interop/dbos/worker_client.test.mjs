// Proves that DBOSClient of two releases gets from our worker what it would get from DBOS's own:
// each call of the client is made against a running worker, and its answers are compared.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { query, startPostgres } from './postgres.mjs';
import {
  collect, failure, INTERNAL_QUEUE, openClient, QUEUE, QUICK, RELEASES, startWorker, until,
} from './worker.mjs';

for (const release of Object.keys(RELEASES)) {
  describe(`the client of ${release}`, () => {
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
      const code = await worker?.stop();
      await server?.stop();
      assert.equal(code, 0);
    });

    const options = (workflowName, more = {}) => ({ queueName: QUEUE, workflowName, ...more });
    const enqueue = (name, args, more) => client.enqueue(options(name, more), ...args);
    const portable = (name, args, named, more) =>
      client.enqueuePortable(options(name, more), args, named);
    const status = (id) => client.getWorkflow(id);
    const stepNames = async (id) => (await client.listWorkflowSteps(id)).map((step) => step.name);
    const untilStatus = (id, wanted) =>
      until(async () => (await status(id))?.status === wanted, `${id} becomes ${wanted}`);
    const untilSteps = (id, count) =>
      until(async () => (await client.listWorkflowSteps(id))?.length >= count, `${count} steps`);

    describe('enqueues', () => {
      it('natively, and reads the result in its own format', async () => {
        const handle = await enqueue('conf_echo', [2, 3]);
        assert.deepEqual(await handle.getResult(QUICK), { sum: 5, named: {} });
        const [row] = await query(url, 'SELECT serialization, output FROM dbos.workflow_status '
          + 'WHERE workflow_uuid = $1', [handle.workflowID]);
        assert.equal(row.serialization, 'js_superjson');
        assert.deepEqual(JSON.parse(row.output),
          { json: { sum: 5, named: {} }, __dbos_serializer: 'superjson' });
      });

      it('portably, with named arguments', async () => {
        const handle = await portable('conf_echo', [2, 3], { note: 'ä', deep: { list: [1, null] } });
        assert.deepEqual(await handle.getResult(QUICK),
          { sum: 5, named: { note: 'ä', deep: { list: [1, null] } } });
        const [row] = await query(url, 'SELECT serialization, output FROM dbos.workflow_status '
          + 'WHERE workflow_uuid = $1', [handle.workflowID]);
        assert.equal(row.serialization, 'portable_json');
        assert.equal(row.output, '{"sum":5,"named":{"note":"ä","deep":{"list":[1,null]}}}');
      });

      it('portably, with every argument by name', async () => {
        const handle = await portable('conf_echo', [], { a: 'x', b: 'y', c: true });
        assert.deepEqual(await handle.getResult(QUICK), { sum: 'xy', named: { c: true } });
      });

      it('through the SQL function', async () => {
        const [{ id }] = await query(url, "SELECT dbos.enqueue_workflow('conf_echo', $1, "
          + "ARRAY['2.5', '1']::json[], '{\"k\": [1,  2]}') AS id", [QUEUE]);
        assert.deepEqual(await client.retrieveWorkflow(id).getResult(QUICK),
          { sum: 3.5, named: { k: [1, 2] } });
      });

      it('within a transaction of its caller', async () => {
        const { default: pg } = await import('pg');
        const connection = new pg.Client({ connectionString: url });
        await connection.connect();
        await connection.query('BEGIN');
        const handle = await client.enqueueInTransaction(connection, options('conf_echo'), 1, 1);
        await connection.query('COMMIT');
        await connection.end();
        assert.deepEqual(await handle.getResult(QUICK), { sum: 2, named: {} });
      });

      for (const [what, value] of Object.entries({
        null: null, true: true, 'an integer': 42, 'a negative number': -7, 'a fraction': 0.1,
        'a large number': 1e21, 'the largest safe integer': Number.MAX_SAFE_INTEGER,
        'an empty text': '', 'a text': 'Ωμέγα "quoted" \\ \n \u0001 🦀', 'an empty array': [],
        'an empty object': {}, nested: { a: [{ b: [[]] }], c: { d: { e: null } } },
        'an object with odd keys': { '': 1, 'a.b': 2, __proto: 3, 'key with space': 4 },
        'a long text': 'x'.repeat(100_000),
      })) {
        it(`${what}, which comes back as it is`, async () => {
          assert.deepEqual(await (await enqueue('conf_identity', [value])).getResult(QUICK), value);
          const handle = await portable('conf_identity', [value]);
          assert.deepEqual(await handle.getResult(QUICK), value);
        });
      }

      for (const [what, [value, expected]] of Object.entries({
        'a date': [new Date(5), '1970-01-01T00:00:00.005Z'],
        undefined: [[undefined, 1], [null, 1]],
        'a set': [new Set([1, 2]), [1, 2]],
        'a map': [new Map([['k', 1]]), { k: 1 }],
        'a large integer': [12345678901234567890n, '12345678901234567890'],
        'an address': [new URL('http://a/'), 'http://a/'],
      })) {
        it(`${what} natively, which comes back as JSON has it`, async () => {
          const handle = await enqueue('conf_identity', [value]);
          assert.deepEqual(await handle.getResult(QUICK), expected);
        });
      }

      it('what JSON has no form for: it is parked, and says so', async () => {
        for (const value of [NaN, /x/, new Map([[1, 2]]), Buffer.from('ab')]) {
          const handle = await enqueue('conf_identity', [value]);
          const error = await failure(handle.getResult(QUICK));
          assert.match(error.message, /recovery/);
          assert.match((await status(handle.workflowID)).error.message, /no JSON form/);
        }
      });

      it('debounced: the last call of several runs, once', async () => {
        const sdk = await import(RELEASES[release]);
        const { DebouncerClient } = sdk.default ?? sdk;
        const debouncer = new DebouncerClient(client,
          { workflowName: 'conf_identity', startWorkflowParams: { queueName: QUEUE } });
        const handles = [];
        for (let i = 0; i < 4; ++i) handles.push(await debouncer.debounce('key', 1500, i));
        assert.equal(new Set(handles.map((handle) => handle.workflowID)).size, 1);
        assert.equal(await handles[0].getResult(QUICK), 3);
      });

      it('the same id twice: one workflow, the first arguments', async () => {
        const workflowID = randomUUID();
        const first = await enqueue('conf_echo', [1, 1], { workflowID });
        const second = await enqueue('conf_echo', [5, 5], { workflowID });
        assert.deepEqual(await second.getResult(QUICK), { sum: 2, named: {} });
        assert.deepEqual(await first.getResult(QUICK), { sum: 2, named: {} });
        assert.deepEqual(await stepNames(workflowID), ['step', 'step']);
      });

      it('the same id for another workflow: a conflict', async () => {
        const workflowID = randomUUID();
        await (await enqueue('conf_echo', [1, 1], { workflowID })).getResult(QUICK);
        const error = await failure(enqueue('conf_identity', [1], { workflowID }));
        assert.match(error.name + error.message, /Conflict/i);
      });

      it('attributes and a user, which stay with the workflow', async () => {
        const workflowID = randomUUID();
        const handle = await enqueue('conf_identity', [1], { workflowID, attributes: { team: 'a' } });
        await handle.getResult(QUICK);
        const found = await client.listWorkflows({ workflowIDs: [workflowID] });
        assert.deepEqual(found[0].attributes, { team: 'a' });
      });
    });

    describe('sees an error', () => {
      for (const [format, call] of Object.entries({ natively: enqueue, portably: portable })) {
        it(`${format}: name, message, code and data`, async () => {
          const handle = await call('conf_fail', ['that went wrong: ä']);
          const error = await failure(handle.getResult(QUICK));
          assert.equal(error.name, 'ValueError');
          assert.equal(error.message, 'that went wrong: ä');
          assert.equal(error.code, 42);
          assert.deepEqual(error.data, { retryable: false });
          const row = await status(handle.workflowID);
          assert.equal(row.status, 'ERROR');
          // These releases show a portable error by its stored text when they list it.
          const listed = format === 'portably' ? JSON.parse(row.error.message) : row.error;
          assert.equal(listed.message, 'that went wrong: ä');
          assert.equal(listed.code, 42);
          assert.equal(row.output, undefined);
        });
      }
    });

    describe('lists and gets', () => {
      it('workflows with decoded inputs and outputs', async () => {
        const ids = [];
        for (const call of [enqueue, portable]) {
          const handle = await call('conf_echo', [20, 22]);
          await handle.getResult(QUICK);
          ids.push(handle.workflowID);
        }
        const rows = await client.listWorkflows({ workflowIDs: ids, loadInput: true, loadOutput: true });
        assert.equal(rows.length, 2);
        for (const row of rows) {
          assert.equal(row.status, 'SUCCESS');
          assert.equal(row.workflowName, 'conf_echo');
          assert.equal(row.queueName, QUEUE);
          assert.equal(row.applicationVersion, 'v1');
          assert.equal(row.applicationName, 'interop');
          assert.ok(row.executorId);
          assert.equal(row.recoveryAttempts, 1);
          assert.deepEqual(row.output, { sum: 42, named: {} });
          assert.deepEqual(row.input.positionalArgs ?? row.input, [20, 22]);
          assert.ok(row.dequeuedAt >= row.createdAt);
          assert.ok(row.completedAt >= row.dequeuedAt);
          assert.deepEqual(await status(row.workflowID), row);
        }
      });

      it('by name, status, queue, version and executor', async () => {
        const handle = await enqueue('conf_identity', ['needle']);
        await handle.getResult(QUICK);
        const { executorId } = await status(handle.workflowID);
        for (const filter of [
          { workflowName: 'conf_identity' }, { status: 'SUCCESS' }, { applicationVersion: 'v1' },
          { executorId }, { workflow_id_prefix: handle.workflowID.slice(0, 20) },
        ]) {
          const rows = await client.listWorkflows({ ...filter, limit: 1000 });
          assert.ok(rows.some((row) => row.workflowID === handle.workflowID), JSON.stringify(filter));
        }
        const rows = await client.listWorkflows({ status: 'CANCELLED', limit: 1000 });
        assert.ok(rows.every((row) => row.workflowID !== handle.workflowID));
      });

      it('steps with decoded outputs and times', async () => {
        const handle = await enqueue('conf_echo', ['a', 'b']);
        await handle.getResult(QUICK);
        const steps = await client.listWorkflowSteps(handle.workflowID);
        assert.deepEqual(steps.map(({ functionID, name, output, error }) =>
          ({ functionID, name, output, error })), [
          { functionID: 0, name: 'step', output: 'ab', error: null },
          { functionID: 1, name: 'step', output: 'done', error: null },
        ]);
        for (const step of steps) assert.ok(step.completedAtEpochMs >= step.startedAtEpochMs);
      });

      it('what there is not: nothing', async () => {
        assert.equal(await status('no such workflow') ?? null, null);
        assert.deepEqual(await client.listWorkflows({ workflowIDs: ['no such workflow'] }), []);
      });

      it('what waits in a queue', async () => {
        const handle = await enqueue('conf_identity', [1], { delaySeconds: 3600 });
        const rows = await client.listQueuedWorkflows({ queueName: QUEUE });
        assert.ok(rows.some((row) => row.workflowID === handle.workflowID));
        await client.deleteWorkflow(handle.workflowID);
        assert.equal(await status(handle.workflowID) ?? null, null);
      });
    });

    describe('cancels', () => {
      it('a running workflow, which stops before its next step', async () => {
        const handle = await enqueue('conf_slow', [1000, 40]);
        await untilSteps(handle.workflowID, 2);
        await client.cancelWorkflow(handle.workflowID);
        const count = (await stepNames(handle.workflowID)).length;
        assert.equal((await status(handle.workflowID)).status, 'CANCELLED');
        // The worker is at work on others meanwhile, for longer than a nap.
        await (await enqueue('conf_slow', [3, 40])).getResult(QUICK);
        assert.equal((await stepNames(handle.workflowID)).length, count);
        assert.equal((await status(handle.workflowID)).status, 'CANCELLED');
        const error = await failure(handle.getResult(QUICK));
        assert.match(error.name + error.message, /cancel/i);
      });

      it('a waiting one, which never runs', async () => {
        const handle = await enqueue('conf_slow', [1, 0], { delaySeconds: 1 });
        await client.cancelWorkflow(handle.workflowID);
        const later = await enqueue('conf_identity', [1], { delaySeconds: 1.2 });
        assert.equal(await later.getResult(QUICK), 1);
        assert.equal((await status(handle.workflowID)).status, 'CANCELLED');
        assert.deepEqual(await stepNames(handle.workflowID), []);
      });

      it('and deletes a running one, of which nothing comes back', async () => {
        const handle = await enqueue('conf_slow', [1000, 40]);
        await untilSteps(handle.workflowID, 2);
        await client.deleteWorkflow(handle.workflowID);
        const steps = () => query(url, 'SELECT function_id FROM dbos.operation_outputs '
          + 'WHERE workflow_uuid = $1', [handle.workflowID]);
        const left = await steps();  // of 4.27.6, which relies on a foreign key of its time
        if (release !== '4.27.6') assert.deepEqual(left, []);
        await (await enqueue('conf_slow', [3, 40])).getResult(QUICK);
        assert.equal(await status(handle.workflowID) ?? null, null);
        assert.deepEqual(await steps(), left);
      });

      it('not what has ended', async () => {
        const handle = await enqueue('conf_identity', [1]);
        await handle.getResult(QUICK);
        await client.cancelWorkflow(handle.workflowID);
        assert.equal((await status(handle.workflowID)).status, 'SUCCESS');
      });
    });

    describe('resumes', () => {
      it('a canceled workflow, which goes on without repeating steps', async () => {
        const handle = await enqueue('conf_slow', [40, 50]);
        await untilSteps(handle.workflowID, 2);
        await client.cancelWorkflow(handle.workflowID);
        const before = await client.listWorkflowSteps(handle.workflowID);
        assert.ok(before.length < 40);
        await client.resumeWorkflow(handle.workflowID);
        assert.deepEqual(await handle.getResult(QUICK), { n: 40 });
        const after = await client.listWorkflowSteps(handle.workflowID);
        assert.equal(after.length, 40);
        assert.deepEqual(after.slice(0, before.length), before);
      });

      it('a running workflow, which goes on under a new owner', async () => {
        const handle = await enqueue('conf_slow', [6, 60]);
        await untilSteps(handle.workflowID, 2);
        await client.resumeWorkflow(handle.workflowID);
        assert.deepEqual(await handle.getResult(QUICK), { n: 6 });
        assert.equal((await stepNames(handle.workflowID)).length, 6);
      });
    });

    describe('forks', () => {
      it('from a step: what was before is taken over, the rest happens again', async () => {
        const handle = await enqueue('conf_slow', [4, 1]);
        await handle.getResult(QUICK);
        const original = await client.listWorkflowSteps(handle.workflowID);
        const forkedID = await client.forkWorkflow(handle.workflowID, 2);
        assert.deepEqual(await client.retrieveWorkflow(forkedID).getResult(QUICK), { n: 4 });
        const steps = await client.listWorkflowSteps(forkedID);
        assert.equal(steps.length, 4);
        assert.deepEqual(steps.slice(0, 2), original.slice(0, 2));
        assert.ok(steps[2].startedAtEpochMs >= original[3].completedAtEpochMs);
        const fork = await status(forkedID);
        assert.equal(fork.forkedFrom, handle.workflowID);
        assert.equal((await status(handle.workflowID)).wasForkedFrom, true);
      });

      it('from the start, under an id of its own', async () => {
        const handle = await portable('conf_echo', [1, 2], { k: 1 });
        await handle.getResult(QUICK);
        const newWorkflowID = randomUUID();
        await client.forkWorkflow(handle.workflowID, 0, { newWorkflowID });
        assert.deepEqual(await client.retrieveWorkflow(newWorkflowID).getResult(QUICK),
          { sum: 3, named: { k: 1 } });
      });
    });

    if (release !== '4.27.6') {  // it has no such call
      describe('rewinds', () => {
        it('an ended workflow: its later steps happen again', async () => {
          const handle = await enqueue('conf_slow', [3, 1]);
          await handle.getResult(QUICK);
          const before = await client.listWorkflowSteps(handle.workflowID);
          await client.rewindWorkflow(handle.workflowID, { startStep: 1 });
          assert.deepEqual(await handle.getResult(QUICK), { n: 3 });
          const after = await client.listWorkflowSteps(handle.workflowID);
          assert.deepEqual(after[0], before[0]);
          assert.ok(after[1].startedAtEpochMs >= before[2].completedAtEpochMs);
        });

        it('a failed one, which fails again', async () => {
          const handle = await portable('conf_fail', ['again']);
          await failure(handle.getResult(QUICK));
          await client.rewindWorkflow(handle.workflowID);
          await until(async () => (await status(handle.workflowID)).recoveryAttempts === 1);
          assert.equal((await failure(handle.getResult(QUICK))).message, 'again');
        });

        it('messages, events and streams with it', async () => {
          const handle = await enqueue('conf_msg', [20]);
          await client.send(handle.workflowID, 'first', 'go');
          assert.equal(await handle.getResult(QUICK), 'first');
          await client.rewindWorkflow(handle.workflowID);
          await client.send(handle.workflowID, 'second', 'go');
          assert.equal(await handle.getResult(QUICK), 'second');
          assert.equal(await client.getEvent(handle.workflowID, 'got', QUICK), 'second');
          // Who has read a stream keeps what it read: the second run's values come after them.
          const values = await collect(client.readStream(handle.workflowID, 'out', QUICK));
          assert.deepEqual(values, [0, 1, 2, 0, 1, 2]);
        });
      });
    }

    describe('talks to a running workflow', () => {
      for (const serializationType of [undefined, 'portable']) {
        it(`message, event and stream, ${serializationType ?? 'native'}`, async () => {
          const handle = await enqueue('conf_msg', [20]);
          const message = { from: release, list: [1, 'zwei', null] };
          await untilStatus(handle.workflowID, 'PENDING');
          await client.send(handle.workflowID, message, 'go', undefined, { serializationType });
          assert.deepEqual(await handle.getResult(QUICK), message);
          assert.deepEqual(await client.getEvent(handle.workflowID, 'got', QUICK), message);
          assert.deepEqual(await collect(client.readStream(handle.workflowID, 'out', QUICK)), [0, 1, 2]);
          assert.deepEqual(await stepNames(handle.workflowID), ['DBOS.recv', 'DBOS.sleep',
            'DBOS.setEvent', 'DBOS.writeStream', 'DBOS.writeStream', 'DBOS.writeStream',
            'DBOS.closeStream']);
          const [received] = await client.listWorkflowSteps(handle.workflowID);
          assert.deepEqual(received.output, message);
        });
      }

      it('that is not yet running: the message waits', async () => {
        const handle = await enqueue('conf_msg', [5], { delaySeconds: 0.5 });
        await client.send(handle.workflowID, 'early', 'go');
        assert.equal(await handle.getResult(QUICK), 'early');
      });

      it('in the order of the messages, each once', async () => {
        const handle = await enqueue('conf_msg', [20], { delaySeconds: 0.3 });
        await client.send(handle.workflowID, 'one', 'go');
        // Messages are in the order of their milliseconds.
        await new Promise((resolve) => setTimeout(resolve, 5));
        await client.send(handle.workflowID, 'two', 'go');
        assert.equal(await handle.getResult(QUICK), 'one');
      });

      it('with an idempotency key: once', async () => {
        const handle = await enqueue('conf_msg', [20], { delaySeconds: 0.3 });
        for (const text of ['one', 'two']) await client.send(handle.workflowID, text, 'go', 'key');
        assert.equal(await handle.getResult(QUICK), 'one');
        const rows = await query(url, 'SELECT message_uuid FROM dbos.notifications '
          + 'WHERE destination_uuid = $1', [handle.workflowID]);
        assert.deepEqual(rows, [{ message_uuid: `key::${handle.workflowID}` }]);
      });

      it('through the SQL function', async () => {
        const handle = await enqueue('conf_msg', [20]);
        await query(url, "SELECT dbos.send_message($1, '{\"m\":  1}', 'go')", [handle.workflowID]);
        assert.deepEqual(await handle.getResult(QUICK), { m: 1 });
      });

      it('on another topic: it hears nothing and gives null', async () => {
        const handle = await enqueue('conf_msg', [0.3]);
        await client.send(handle.workflowID, 'x', 'other');
        assert.equal(await handle.getResult(QUICK), null);
        assert.equal(await client.getEvent(handle.workflowID, 'got', { timeoutSeconds: 0.2, ...QUICK }),
          null);
        assert.deepEqual(await collect(client.readStream(handle.workflowID, 'out', QUICK)), []);
      });

      it('one value of a stream at a time', async () => {
        const handle = await enqueue('conf_msg', [20]);
        await client.send(handle.workflowID, 'x', 'go');
        const values = collect(client.readStream(handle.workflowID, 'out', { offset: 1, ...QUICK }));
        assert.deepEqual(await values, [1, 2]);
        assert.equal(await client.readStreamOffset(handle.workflowID, 'out', 2, QUICK), 2);
      });

      it('that is not there: an error', async () => {
        const error = await failure(client.send('no such workflow', 'x', 'go'));
        assert.match(error.message, /non-existent|not exist/i);
      });
    });

    it('waits for the first and for all of several', async () => {
      const slow = await enqueue('conf_slow', [10, 200]);
      const fast = await enqueue('conf_identity', [1]);
      const first = await client.waitFirst([slow, fast], QUICK);
      assert.equal(first.workflowID, fast.workflowID);
      const all = await client.waitAll([slow, fast], QUICK);
      assert.equal(all.length, 2);
    });

    it('finds resumed and forked work on the internal queue', async () => {
      const handle = await enqueue('conf_identity', [1]);
      await handle.getResult(QUICK);
      const forkedID = await client.forkWorkflow(handle.workflowID, 0);
      await client.retrieveWorkflow(forkedID).getResult(QUICK);
      assert.equal((await status(forkedID)).queueName, INTERNAL_QUEUE);
    });
  });
}
