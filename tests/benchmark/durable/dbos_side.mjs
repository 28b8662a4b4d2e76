// The peer's side of the durable benchmark: DBOS Transact for TypeScript, default settings. One
// scenario a process, chosen by the first argument; prints one line of JSON. The other side,
// holdfast_durable_bench, takes the same arguments and prints the same fields.
import { performance } from 'node:perf_hooks';
import { readFileSync } from 'node:fs';
import { DBOS } from '@dbos-inc/dbos-sdk';

const [scenario, databaseUrl, countText] = process.argv.slice(2);
const count = Number(countText);

const step = async (value) => value + 1;
const steps = (n) =>
  DBOS.registerWorkflow(
    async (value) => {
      let sum = value;
      for (let i = 0; i < n; ++i) sum = await DBOS.runStep(() => step(sum), { name: 'step' });
      return sum;
    },
    { name: `bench_${n}_step` },
  );
const oneStep = steps(1);
const threeSteps = steps(3);
const fourSteps = steps(4);

const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
const summary = (samplesMs) => {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  return { p50_ms: percentile(sorted, 0.5), p99_ms: percentile(sorted, 0.99), count: sorted.length };
};
const peakMemoryBytes = () =>
  1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
const check = (actual, expected) => {
  if (actual !== expected) throw new Error(`wrong result: ${actual}, expected ${expected}`);
};

async function inParallel(workflow, concurrency, total, expected) {
  let next = 0;
  const lane = async () => {
    while (next < total) {
      next += 1;
      check(await workflow(1), expected);
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: concurrency }, lane));
  return total / ((performance.now() - begin) / 1e3);
}

// Another party's view of the tables, so that both sides are measured alike.
async function watch(condition) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const times = { first_s: null, all_s: null };
  const begin = performance.now();
  return {
    times,
    async untilDone() {
      for (;;) {
        const { rows } = await client.query(
          `SELECT count(*) FILTER (WHERE status = 'SUCCESS') AS done, count(*) AS total
             FROM dbos.workflow_status WHERE ${condition}`,
        );
        const elapsed = (performance.now() - begin) / 1e3;
        if (times.first_s === null && Number(rows[0].done) > 0) times.first_s = elapsed;
        if (rows[0].done === rows[0].total) {
          times.all_s = elapsed;
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await client.end();
      return times;
    },
  };
}

const scenarios = {
  async latency() {
    const samples = [];
    for (let i = -50; i < count; ++i) {
      const begin = performance.now();
      check(await oneStep(1), 2);
      if (i >= 0) samples.push(performance.now() - begin);
    }
    return summary(samples);
  },
  async throughput() {
    await inParallel(oneStep, 100, 300, 2);
    return { workflows_per_s: await inParallel(oneStep, 100, count, 2) };
  },
  async steps() {
    await inParallel(fourSteps, 100, 100, 5);
    return { steps_per_s: 4 * (await inParallel(fourSteps, 100, count, 5)) };
  },
  async enqueue() {
    const samples = [];
    for (let i = 0; i < count; ++i) {
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 100));
      const begin = performance.now();
      const handle = await DBOS.startWorkflow(oneStep, { queueName: 'bench_queue' })(1);
      check(await handle.getResult(), 2);
      samples.push(performance.now() - begin);
    }
    return summary(samples);
  },
  async idle() {
    await new Promise((resolve) => setTimeout(resolve, count * 1e3));
    return {};
  },
};

// Those begin before the launch: what waits was put there by the harness.
const startScenarios = {
  drain: "queue_name = 'bench_queue'",
  recovery: "workflow_uuid LIKE 'recover-%'",
};

DBOS.setConfig({
  name: 'bench',
  systemDatabaseUrl: databaseUrl,
  applicationVersion: 'bench-1',
  executorID: 'bench-executor',
  logLevel: 'error',
});
const watcher = startScenarios[scenario] ? await watch(startScenarios[scenario]) : null;
await DBOS.launch();
await DBOS.registerQueue('bench_queue', {});
const result = watcher ? await watcher.untilDone() : await scenarios[scenario]();
console.log(JSON.stringify({ scenario, ...result, peak_memory_bytes: peakMemoryBytes() }));
await DBOS.shutdown();
process.exit(0);
