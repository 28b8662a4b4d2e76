// Proves that what DBOSClient of two releases configures holds for our worker: queues and their
// limits, priority, deduplication, delay, timeout, schedules and application versions. Clients make
// the settings and the work; the rows that the worker leaves are compared with what was asked for.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import { query, startPostgres } from './postgres.mjs';
import { failure, openClient, QUEUE, QUICK, RELEASES, startWorker, until } from './worker.mjs';

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
      await worker?.stop();
      await server?.stop();
    });

    const enqueue = (workflowName, args, more) =>
      client.enqueue({ queueName: QUEUE, workflowName, ...more }, ...args);
    const status = (id) => client.getWorkflow(id);
    const results = (handles) => Promise.all(handles.map((handle) => handle.getResult(QUICK)));

    // The settings are live: waits until the worker has them, which it reads twice a second.
    async function configure(settings) {
      await client.registerQueue(QUEUE, settings);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }

    // How many of the workflows were at work at the same time, at most.
    async function overlap(handles, key = () => '') {
      const rows = await query(url, 'SELECT started_at_epoch_ms AS began, completed_at AS ended, '
        + 'queue_partition_key AS partition FROM dbos.workflow_status '
        + 'WHERE workflow_uuid = ANY ($1)', [handles.map((handle) => handle.workflowID)]);
      const most = {};
      for (const { began, partition } of rows) {
        const name = key(partition);
        const count = rows.filter((row) => key(row.partition) === name
          && Number(row.began) <= Number(began) && Number(row.ended) > Number(began)).length;
        most[name] = Math.max(most[name] ?? 0, count);
      }
      return most;
    }

    describe('limits a queue', () => {
      after(() => configure({}));

      it('to so many at once over all workers', async () => {
        await configure({ concurrency: 2 });
        const handles = [];
        for (let i = 0; i < 8; ++i) handles.push(await enqueue('conf_slow', [2, 50]));
        await results(handles);
        assert.deepEqual(await overlap(handles), { '': 2 });
      });

      it('to so many at once in each worker', async () => {
        await configure({ workerConcurrency: 1 });
        const handles = [];
        for (let i = 0; i < 5; ++i) handles.push(await enqueue('conf_slow', [1, 50]));
        await results(handles);
        assert.deepEqual(await overlap(handles), { '': 1 });
      });

      it('to so many starts in a period', async () => {
        await configure({ rateLimit: { limitPerPeriod: 3, periodSec: 1 } });
        const handles = [];
        for (let i = 0; i < 7; ++i) handles.push(await enqueue('conf_identity', [i]));
        await results(handles);
        const rows = await query(url, 'SELECT started_at_epoch_ms AS began FROM dbos.workflow_status '
          + 'WHERE workflow_uuid = ANY ($1) ORDER BY 1', [handles.map((handle) => handle.workflowID)]);
        const starts = rows.map((row) => Number(row.began));
        for (let i = 3; i < starts.length; ++i) assert.ok(starts[i] - starts[i - 3] >= 1000, `${starts}`);
      });

      it('to so many at once in each partition', async () => {
        await configure(release === '4.27.6'
          ? { partitionQueue: true, concurrency: 1 } : { partitionConcurrency: 1 });
        const handles = [];
        for (let i = 0; i < 6; ++i) {
          handles.push(await enqueue('conf_slow', [1, 60], { queuePartitionKey: i % 2 ? 'a' : 'b' }));
        }
        await results(handles);
        assert.deepEqual(await overlap(handles, (partition) => partition), { a: 1, b: 1 });
      });

      it('and finds its settings in the table', async () => {
        await configure({ concurrency: 3, workerConcurrency: 2 });
        const queue = await client.retrieveQueue(QUEUE);
        assert.equal(queue.concurrency, 3);
        assert.equal(queue.workerConcurrency, 2);
      });
    });

    describe('orders a queue', () => {
      after(() => configure({}));

      it('by priority, and by time within one', async () => {
        // Later releases have priorities in every queue.
        await configure({ concurrency: 1, ...(release === '4.27.6' && { priorityEnabled: true }) });
        const first = await enqueue('conf_slow', [30, 50]);
        await until(async () => (await status(first.workflowID)).status === 'PENDING');
        const handles = [];
        for (const priority of [7, 3, 5, 3]) {
          handles.push(await enqueue('conf_identity', [priority], { priority }));
        }
        await results(handles);
        const rows = await query(url, 'SELECT workflow_uuid AS id FROM dbos.workflow_status '
          + 'WHERE workflow_uuid = ANY ($1) ORDER BY started_at_epoch_ms, completed_at',
        [handles.map((handle) => handle.workflowID)]);
        const order = rows.map(({ id }) => handles.findIndex((handle) => handle.workflowID === id));
        assert.deepEqual(order, [1, 3, 2, 0]);
      });

      it('and changes the priority of what waits', async () => {
        const first = await enqueue('conf_slow', [30, 50]);
        await until(async () => (await status(first.workflowID)).status === 'PENDING');
        const a = await enqueue('conf_identity', ['a'], { priority: 1 });
        const b = await enqueue('conf_identity', ['b'], { priority: 2 });
        await client.setWorkflowPriority(a.workflowID, 9);
        await results([a, b]);
        assert.ok((await status(b.workflowID)).completedAt <= (await status(a.workflowID)).dequeuedAt);
      });
    });

    describe('deduplicates', () => {
      it('while the first is not over, and no longer', async () => {
        const deduplicationID = randomUUID();
        const first = await enqueue('conf_slow', [30, 50], { deduplicationID });
        const error = await failure(enqueue('conf_identity', [1], { deduplicationID }));
        assert.equal(error.name, 'DBOSQueueDuplicatedError');
        await first.getResult(QUICK);
        const second = await enqueue('conf_identity', [2], { deduplicationID });
        assert.equal(await second.getResult(QUICK), 2);
      });

      it('or gives the one that is there', async () => {
        const more = { deduplicationID: randomUUID(), duplicationPolicy: 'return-existing' };
        const first = await enqueue('conf_slow', [30, 50], more);
        const second = await enqueue('conf_slow', [1, 0], more);
        assert.equal(second.workflowID, first.workflowID);
        assert.deepEqual(await second.getResult(QUICK), { n: 30 });
      });

      it('and a cancellation frees the id', async () => {
        const deduplicationID = randomUUID();
        const first = await enqueue('conf_slow', [1000, 50], { deduplicationID });
        await client.cancelWorkflow(first.workflowID);
        const second = await enqueue('conf_identity', [2], { deduplicationID });
        assert.equal(await second.getResult(QUICK), 2);
      });
    });

    describe('delays', () => {
      it('the start', async () => {
        const handle = await enqueue('conf_identity', [1], { delaySeconds: 0.6 });
        const waiting = await status(handle.workflowID);
        assert.equal(waiting.status, 'DELAYED');
        assert.equal(await handle.getResult(QUICK), 1);
        assert.ok((await status(handle.workflowID)).dequeuedAt >= waiting.delayUntilEpochMS);
      });

      it('and changes its mind about it', async () => {
        const handle = await enqueue('conf_identity', [1], { delaySeconds: 3600 });
        await client.setWorkflowDelay(handle.workflowID, 0.1);
        assert.equal(await handle.getResult(QUICK), 1);
      });
    });

    it('gives a timeout, which counts from the start', async () => {
      const handle = await enqueue('conf_slow', [1000, 40],
        { workflowTimeoutMS: 400, delaySeconds: 0.3 });
      await failure(handle.getResult(QUICK));
      const row = await status(handle.workflowID);
      assert.equal(row.status, 'CANCELLED');
      const [{ deadline }] = await query(url, 'SELECT workflow_deadline_epoch_ms AS deadline '
        + 'FROM dbos.workflow_status WHERE workflow_uuid = $1', [handle.workflowID]);
      assert.ok(Number(deadline) >= row.delayUntilEpochMS + 400);
      const steps = await client.listWorkflowSteps(handle.workflowID);
      assert.ok(steps.length >= 1);
      assert.ok(steps.every((step) => step.completedAtEpochMs <= row.completedAt));
    });

    describe('makes schedules', () => {
      const fired = (scheduleName) => client.listWorkflows(
        { workflow_id_prefix: `sched-${scheduleName}-`, status: 'SUCCESS', sortDesc: false });

      it('that fire', async () => {
        await client.createSchedule({ scheduleName: 'every-second', workflowName: 'conf_identity',
          schedule: '* * * * * *', context: { note: 'ä' } });
        const rows = await until(async () => {
          const found = await fired('every-second');
          return found.length >= 2 && found;
        }, 'two firings');
        for (const row of rows) {
          const time = row.workflowID.slice('sched-every-second-'.length);
          assert.equal(new Date(time).toISOString(), time);
          assert.equal(new Date(row.output).toISOString(), time);
          assert.equal(row.scheduleName, 'every-second');
        }
        const schedule = await client.getSchedule('every-second');
        assert.equal(schedule.status, 'ACTIVE');
        assert.ok(schedule.lastFiredAt);
      });

      it('that fire no more when they are paused, and again when they are resumed', async () => {
        await client.pauseSchedule('every-second');
        let before = -1;
        await until(async () => {
          const count = (await fired('every-second')).length;
          await new Promise((resolve) => setTimeout(resolve, 1500));
          return before === (before = count);
        }, 'silence');
        await client.resumeSchedule('every-second');
        await until(async () => (await fired('every-second')).length > before);
        await client.deleteSchedule('every-second');
        assert.equal(await client.getSchedule('every-second'), null);
      });

      it('and triggers and backfills them', async () => {
        await client.createSchedule({ scheduleName: 'daily', workflowName: 'conf_identity',
          schedule: '0 0 3 * * *', context: 7 });
        const handle = await client.triggerSchedule('daily');
        const time = await handle.getResult(QUICK);
        assert.ok(Number.isFinite(new Date(time).getTime()), `${time}`);
        const handles = await client.backfillSchedule('daily', new Date('2020-02-28T00:00:00Z'),
          new Date('2020-03-01T00:00:00Z'));
        assert.equal(handles.length, 2);
        const times = await results(handles);
        assert.deepEqual(times.map((at) => new Date(at).toISOString()),
          ['2020-02-28T03:00:00.000Z', '2020-02-29T03:00:00.000Z']);
        await client.deleteSchedule('daily');
      });

      it('with a queue of their own', async () => {
        await client.createSchedule({ scheduleName: 'queued', workflowName: 'conf_identity',
          schedule: '* * * * * *', options: { queueName: QUEUE } });
        const [row] = await until(async () => {
          const found = await fired('queued');
          return found.length > 0 && found;
        });
        assert.equal(row.queueName, QUEUE);
        await client.deleteSchedule('queued');
      });
    });

    describe('handles application versions', () => {
      let newer;
      after(async () => { await newer?.stop(); });

      it('of which there is one', async () => {
        assert.deepEqual((await client.listApplicationVersions()).map((row) => row.versionName), ['v1']);
        assert.equal((await client.getLatestApplicationVersion()).versionName, 'v1');
      });

      it('work without one goes to the latest', async () => {
        newer = await startWorker(url, { '--app-version': 'v2' });
        assert.equal((await client.getLatestApplicationVersion()).versionName, 'v2');
        // Both workers have noticed when nothing goes to the older one any more.
        await until(async () => {
          const handles = [];
          for (let i = 0; i < 5; ++i) handles.push(await enqueue('conf_identity', [i]));
          await results(handles);
          const rows = await Promise.all(handles.map((handle) => status(handle.workflowID)));
          return rows.every((row) => row.applicationVersion === 'v2');
        });
      });

      it('work with one goes there', async () => {
        const handle = await enqueue('conf_identity', [1], { appVersion: 'v1' });
        assert.equal(await handle.getResult(QUICK), 1);
        assert.equal((await status(handle.workflowID)).applicationVersion, 'v1');
      });

      it('a fork may change it', async () => {
        const handle = await enqueue('conf_identity', [1], { appVersion: 'v1' });
        await handle.getResult(QUICK);
        const id = await client.forkWorkflow(handle.workflowID, 0, { applicationVersion: 'v2' });
        assert.equal(await client.retrieveWorkflow(id).getResult(QUICK), 1);
        assert.equal((await status(id)).applicationVersion, 'v2');
      });

      it('and an older one becomes the latest again', async () => {
        await client.setLatestApplicationVersion('v1');
        await until(async () => {
          const handle = await enqueue('conf_identity', [1]);
          await handle.getResult(QUICK);
          return (await status(handle.workflowID)).applicationVersion === 'v1';
        });
      });
    });
  });
}
