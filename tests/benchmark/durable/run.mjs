// The durable benchmark: the same workflows on the same PostgreSQL 15 in one run, by this project's
// runtime and by DBOS's TypeScript SDK, in alternation. Starts a private cluster with PostgreSQL's
// own durable defaults (fsync, synchronous_commit), prints a table with ratios, and says what it could
// not run.
//   node run.mjs PATH_OF_holdfast_durable_bench [--quick] [--rounds=N] [--sides=holdfast,dbos]
//     [--scenarios=latency,throughput,steps,enqueue,drain,recovery,idle]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const here = dirname(fileURLToPath(import.meta.url));
const ourProgram = process.argv[2];
if (!ourProgram || !existsSync(ourProgram)) {
  throw new Error(`the first argument is the program holdfast_durable_bench: ${ourProgram}`);
}
const isQuick = process.argv.includes('--quick');
const option = (name) =>
  process.argv.find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3);
const rounds = Number(option('rounds') ?? (isQuick ? 1 : 3));
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
    ['-D', data, '-k', folder, '-p', String(port), '-c', 'listen_addresses=127.0.0.1',
     '-c', 'shared_preload_libraries=pg_stat_statements', '-c', 'pg_stat_statements.track=none'],
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
  holdfast: { program: ourProgram, args: [] },
  dbos: { program: process.execPath, args: [join(here, 'dbos_side.mjs')] },
};

const chosenSides = option('sides')?.split(',') ?? Object.keys(sides);

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

// Counting costs a little, so only where statements are counted.
async function trackStatements(url) {
  const name = new URL(url).pathname.slice(1);
  await query(url, `ALTER DATABASE ${name} SET pg_stat_statements.track = 'top'`);
}

// Statements that other sessions ended, and their transactions, in the middle of the idle time.
async function countStatements(url, seconds) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const read = async () => {
    await client.query('SELECT pg_stat_clear_snapshot()');
    const { rows } = await client.query(
      `SELECT (SELECT sum(s.calls) FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
                WHERE d.datname = current_database())::bigint AS statements,
              (SELECT xact_commit + xact_rollback FROM pg_stat_database
                WHERE datname = current_database())::bigint AS transactions`,
    );
    return { statements: Number(rows[0].statements), transactions: Number(rows[0].transactions) };
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await wait(seconds * 300);
  const before = await read();
  const begin = performance.now();
  await wait(seconds * 500);
  const after = await read();
  const elapsed = (performance.now() - begin) / 1e3;
  await client.end();
  // Our own: the first reading's second statement and the second one's first.
  const rate = (name) => Math.max(after[name] - before[name] - 2, 0) / elapsed;
  return { statements_per_s: rate('statements'), transactions_per_s: rate('transactions') };
}

// ---- What the tables themselves allow ---------------------------------------------------------------

// Rows of dbos.workflow_status, with all of its indexes, written by a client that does nothing else:
// one a commit, and a hundred a commit. A workflow of one step costs two commits.
async function measureCeiling(cluster) {
  const client = new pg.Client({ connectionString: await freshDatabase(cluster, 'holdfast') });
  await client.connect();
  const insert = (rows) => ({
    name: `insert_${rows}`,
    text: `INSERT INTO dbos.workflow_status (workflow_uuid, status, name, inputs, serialization,
             executor_id, application_version, owner_xid, creator_xid)
           SELECT gen_random_uuid()::text, 'PENDING', 'bench', '{"positionalArgs":[1]}',
             'portable_json', 'bench', '1', i, i FROM generate_series(1, ${rows}) AS i`,
  });
  const result = {};
  for (const [rows, commits] of [[1, 1_000], [100, 200]]) {
    for (let i = 0; i < 20; ++i) await client.query(insert(rows));
    const samples = [];
    for (let i = 0; i < commits; ++i) {
      const begin = performance.now();
      await client.query(insert(rows));
      samples.push(performance.now() - begin);
    }
    result[`p50_ms_${rows}`] = median(samples);
    result[`rows_per_s_${rows}`] = (rows * commits) / (samples.reduce((a, b) => a + b) / 1e3);
  }
  await client.end();
  return result;
}

let databaseCount = 0;
async function freshDatabase(cluster, side) {
  const name = `bench_${side}_${++databaseCount}`;
  await query(cluster.url('postgres'), `CREATE DATABASE ${name}`);
  const url = cluster.url(name);
  await query(url, 'CREATE EXTENSION pg_stat_statements');
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
  { title: 'transactions in an idle system', unit: '/s', scenario: 'idle', field: 'transactions_per_s', goal: '' },
];

const scenarios = [...new Set(rows.map((row) => row.scenario))].filter(
  (scenario) => (option('scenarios') ?? scenario).split(',').includes(scenario),
);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function main() {
  const cluster = await startCluster();
  const failures = [];
  try {
    await cluster.ready();
    const results = new Map();  // side/scenario -> results of the rounds
    const loads = [];
    for (let round = 0; round < rounds; ++round) {
      const ceiling = await measureCeiling(cluster);
      results.set('ceiling', [...(results.get('ceiling') ?? []), ceiling]);
      console.error(`round ${round + 1}: ceiling ${JSON.stringify(ceiling)}`);
      for (const scenario of scenarios) {
        const { fill, count } = rows.find((row) => row.scenario === scenario);
        for (const side of chosenSides) {
          try {
            const url = await freshDatabase(cluster, side);
            if (fill) await fill(url, side);
            if (scenario === 'idle') await trackStatements(url);
            loads.push(loadavg()[0]);
            const result = await runSide(side, url, scenario, count[side] ?? count);
            const key = `${side}/${scenario}`;
            results.set(key, [...(results.get(key) ?? []), result]);
            console.error(`round ${round + 1}: ${side} ${JSON.stringify(result)}`);
          } catch (error) {
            failures.push(`${side} ${scenario}: ${error.message}`);
            console.error(`round ${round + 1}: ${failures.at(-1)}`);
          }
        }
      }
    }
    print(results, loads);
    if (failures.length > 0) {
      console.log(`\nnot run:\n${failures.join('\n')}`);
      process.exitCode = 1;
    }
  } finally {
    await cluster.stop();
  }
}

function print(results, loads) {
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
  for (const row of rows.filter(({ scenario }) => scenarios.includes(scenario))) {
    const ours = cell('holdfast', row);
    const theirs = cell('dbos', row);
    const isRate = row.unit === '/s' && row.scenario !== 'idle';
    const ratio = ours === null || theirs === null ? null : isRate ? ours / theirs : theirs / ours;
    console.log(`${row.title}, ${row.unit}`.padEnd(46) + text(ours).padStart(10) +
      text(theirs).padStart(10) + text(ratio).padStart(9) + `  ${row.goal}`);
  }
  const ceiling = (field) => text(median(results.get('ceiling').map((result) => result[field])));
  console.log(`\nthe tables' own ceiling, INSERT; COMMIT: one row ${ceiling('p50_ms_1')} ms and ` +
    `${ceiling('rows_per_s_1')}/s; a hundred rows ${ceiling('p50_ms_100')} ms and ` +
    `${ceiling('rows_per_s_100')}/s`);
  console.log(`load of the machine (1 minute, before each run): median ${text(median(loads))}, ` +
    `highest ${text(Math.max(...loads))}`);
  const batches = results.get('holdfast/throughput')?.at(-1)?.batch_sizes;
  if (batches) console.log(`writes a commit (throughput row): ${JSON.stringify(batches)}`);
  console.log('\nratio: how many times better than the peer in the same run. Method: README.md.');
}

await main();
