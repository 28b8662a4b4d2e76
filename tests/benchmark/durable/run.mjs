// The durable benchmark: the same workflows on the same PostgreSQL 15 in one run, by this project's
// runtime and by DBOS's TypeScript SDK, in alternation. Starts a private cluster with PostgreSQL's
// own durable defaults (fsync, synchronous_commit), prints a table with ratios, and says what it could
// not run. Usage: node run.mjs PATH_OF_holdfast_durable_bench [--quick]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const here = dirname(fileURLToPath(import.meta.url));
const ourProgram = process.argv[2];
const isQuick = process.argv.includes('--quick');
const rounds = isQuick ? 1 : 3;
const backlog = isQuick ? 2_000 : 10_000;
const binaries = '/usr/lib/postgresql/15/bin';

// ---- A private cluster ---------------------------------------------------------------------------

// PostgreSQL refuses to run as root.
function serverUser() {
  if (process.getuid() !== 0) return {};
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((l) => l.startsWith('postgres:'));
  if (!line) throw new Error('no user "postgres" to run the server as (package postgresql-15)');
  const [, , uid, gid] = line.split(':').map(Number);
  return { uid, gid };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startCluster() {
  if (!existsSync(join(binaries, 'initdb'))) {
    throw new Error(`PostgreSQL 15 is not installed: ${binaries}/initdb is missing`);
  }
  const user = serverUser();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast_bench_'));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  const run = (program, args) =>
    execFileSync(join(binaries, program), args, { ...user, cwd: folder, stdio: 'pipe' });
  const data = join(folder, 'data');
  const port = await freePort();
  run('initdb', ['-D', data, '-U', 'bench', '-A', 'trust', '--no-instructions']);
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, '-k', folder, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
    { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  server.stderr.on('data', (text) => (log = (log + text).slice(-20_000)));
  return {
    folder,
    url: (database) => `postgresql://bench@127.0.0.1:${port}/${database}`,
    log: () => log,
    async ready() {
      for (let i = 0; i < 200; ++i) {
        const probe = spawnSync(join(binaries, 'pg_isready'), ['-h', folder, '-p', String(port), '-q']);
        if (probe.status === 0) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`the server did not start:\n${log}`);
    },
    async stop() {
      const exited = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGINT');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function query(url, text, parameters) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, parameters)).rows;
  } finally {
    await client.end();
  }
}

// ---- The two sides --------------------------------------------------------------------------------

const sides = {
  holdfast: { program: ourProgram, args: [], prepare: ['prepare'] },
  dbos: { program: process.execPath, args: [join(here, 'dbos_side.mjs')] },
};

async function runSide(side, url, scenario, count) {
  const { program, args } = sides[side];
  const child = spawn(program, [...args, scenario, url, String(count)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (errors += text));
  const during = scenario === 'idle' ? countStatements(url, count) : null;
  const code = await new Promise((resolve) => child.once('exit', resolve));
  const statements = during ? await during : null;
  const line = output.trim().split('\n').filter((text) => text.startsWith('{')).pop();
  if (code !== 0 || !line) {
    throw new Error(`${side} ${scenario} ended with ${code}: ${errors.slice(-2_000)}${output}`);
  }
  return { ...JSON.parse(line), ...(statements ?? {}) };
}

// Transactions that other sessions committed in the middle of the idle time.
async function countStatements(url, seconds) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const read = async () => {
    await client.query('SELECT pg_stat_clear_snapshot()');
    const { rows } = await client.query(
      `SELECT sum(xact_commit + xact_rollback)::bigint AS count
         FROM pg_stat_database WHERE datname = current_database()`,
    );
    return Number(rows[0].count);
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await wait(seconds * 300);
  const before = await read();
  const begin = performance.now();
  await wait(seconds * 500);
  const elapsed = (performance.now() - begin) / 1e3;
  // The two statements of each of our own readings.
  const count = (await read()) - before - 2;
  await client.end();
  return { statements_per_s: Math.max(count, 0) / elapsed };
}

let databaseCount = 0;
async function freshDatabase(cluster, side) {
  const name = `bench_${side}_${++databaseCount}`;
  await query(cluster.url('postgres'), `CREATE DATABASE ${name}`);
  const url = cluster.url(name);
  if (side === 'dbos') {
    execFileSync(process.execPath, [join(here, 'dbos_migrate.mjs'), url], { stdio: 'pipe' });
  } else {
    execFileSync(ourProgram, ['migrate', url, '0'], { stdio: 'pipe' });
  }
  return url;
}

async function fillBacklog(url) {
  await query(
    url,
    `SELECT dbos.enqueue_workflow(workflow_name => 'bench_1_step', queue_name => 'bench_queue',
              workflow_id => 'queued-' || i, positional_args => ARRAY['1'::json])
       FROM generate_series(1, ${backlog}) AS i`,
  );
  await query(url, 'VACUUM ANALYZE');
}

// 10,000 workflows of three steps, the first one recorded, left behind by an executor of this name.
async function fillRecovery(url, side) {
  const version = 'bench-1';
  await query(
    url,
    `INSERT INTO dbos.workflow_status
       (workflow_uuid, status, name, inputs, serialization, executor_id, application_version,
        application_name, recovery_attempts, owner_xid, creator_xid, created_at, updated_at)
     SELECT 'recover-' || i, 'PENDING', 'bench_3_step', '{"positionalArgs":[1]}', 'portable_json',
            'bench-executor', $1, 'bench', 1, 'gone-' || i, 'gone-' || i, 1700000000000 + i,
            1700000000000 + i
       FROM generate_series(1, ${backlog}) AS i`,
    [version],
  );
  await query(
    url,
    `INSERT INTO dbos.operation_outputs
       (workflow_uuid, function_id, function_name, output, serialization, started_at_epoch_ms,
        completed_at_epoch_ms)
     SELECT 'recover-' || i, 0, 'step', '2', 'portable_json', 1700000000000, 1700000000001
       FROM generate_series(1, ${backlog}) AS i`,
  );
  if (side === 'holdfast') {
    await query(
      url,
      `INSERT INTO holdfast.executors (executor_id, incarnation, epoch, application_name,
              application_version, host, process_id, started_at, heartbeat_at, lease_expires_at)
       VALUES ('bench-executor', gen_random_uuid(), 1, 'bench', $1, 'localhost', 1, now(), now(),
               now() - interval '1 minute')`,
      [version],
    );
  }
  await query(url, 'VACUUM ANALYZE');
}

const rows = [
  { title: '1-step workflow, one at a time, p50', unit: 'ms', scenario: 'latency', count: 500, field: 'p50_ms', goal: '<= 0.6 ms, ratio >= 5' },
  { title: '1-step workflow, one at a time, p99', unit: 'ms', scenario: 'latency', count: 500, field: 'p99_ms', goal: '' },
  { title: '1-step workflows, 100 concurrent', unit: '/s', scenario: 'throughput', count: { holdfast: 30_000, dbos: 2_000 }, field: 'workflows_per_s', goal: '>= 10,000, ratio >= 15' },
  { title: '4-step workflows, 100 concurrent, steps', unit: '/s', scenario: 'steps', count: { holdfast: 10_000, dbos: 800 }, field: 'steps_per_s', goal: 'ratio >= 15' },
  { title: 'enqueue -> result, idle system, p50', unit: 'ms', scenario: 'enqueue', count: { holdfast: 50, dbos: 8 }, field: 'p50_ms', goal: '<= 5 ms' },
  { title: `drain of ${backlog} queued`, unit: '/s', scenario: 'drain', count: backlog, fill: fillBacklog, field: 'all_s', per: backlog, goal: '>= 8,000/s' },
  { title: `recovery of ${backlog}, all done`, unit: 's', scenario: 'recovery', count: backlog, fill: fillRecovery, field: 'all_s', goal: '<= 2.5 s' },
  { title: 'first recovered result', unit: 's', scenario: 'recovery', count: backlog, field: 'first_s', goal: '<= 0.3 s' },
  { title: 'resident memory of that, peak', unit: 'MB', scenario: 'recovery', count: backlog, field: 'peak_memory_bytes', scale: 1e-6, goal: '<= 150 MB' },
  { title: 'statements in an idle system', unit: '/s', scenario: 'idle', count: isQuick ? 6 : 20, field: 'statements_per_s', goal: '<= 2' },
];

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function main() {
  const cluster = await startCluster();
  const failures = [];
  try {
    await cluster.ready();
    const results = new Map();  // side/scenario -> results of the rounds
    const scenarios = [...new Map(rows.filter((r) => r.scenario).map((r) => [r.scenario, r])).values()];
    for (let round = 0; round < rounds; ++round) {
      for (const row of scenarios) {
        const fill = rows.find((r) => r.scenario === row.scenario && r.fill)?.fill;
        const count = rows.find((r) => r.scenario === row.scenario).count;
        for (const side of ['holdfast', 'dbos']) {
          try {
            const url = await freshDatabase(cluster, side);
            if (fill) await fill(url, side);
            const result = await runSide(side, url, row.scenario, count[side] ?? count);
            const key = `${side}/${row.scenario}`;
            results.set(key, [...(results.get(key) ?? []), result]);
            console.error(`round ${round + 1}: ${side} ${JSON.stringify(result)}`);
          } catch (error) {
            failures.push(`${side} ${row.scenario}: ${error.message}`);
            console.error(`round ${round + 1}: ${failures.at(-1)}`);
          }
        }
      }
    }
    print(results);
    if (failures.length > 0) {
      console.log(`\nnot run:\n${failures.join('\n')}`);
      process.exitCode = 1;
    }
  } finally {
    await cluster.stop();
  }
}

function print(results) {
  const cell = (side, row) => {
    const values = (results.get(`${side}/${row.scenario}`) ?? []).map((r) => r[row.field]);
    if (values.length === 0) return null;
    const value = median(values) * (row.scale ?? 1);
    return row.per ? row.per / value : value;
  };
  const text = (value) =>
    value === null ? '-' : value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
  console.log(`\n${'median of ' + rounds + (rounds > 1 ? ' rounds' : ' round')}`.padEnd(46) +
    'holdfast'.padStart(10) + 'DBOS TS'.padStart(10) + 'ratio'.padStart(9) + '  to reach');
  for (const row of rows) {
    const ours = cell('holdfast', row);
    const theirs = cell('dbos', row);
    const isRate = row.unit === '/s' && row.scenario !== 'idle';
    const ratio = ours === null || theirs === null ? null : isRate ? ours / theirs : theirs / ours;
    console.log(`${row.title}, ${row.unit}`.padEnd(46) + text(ours).padStart(10) +
      text(theirs).padStart(10) + text(ratio).padStart(9) + `  ${row.goal}`);
  }
  const batches = results.get('holdfast/throughput')?.at(-1)?.batch_sizes;
  if (batches) console.log(`\nwrites a commit (throughput row): ${JSON.stringify(batches)}`);
  console.log('\nratio: how many times better than the peer in the same run. Method: README.md.');
}

await main();
