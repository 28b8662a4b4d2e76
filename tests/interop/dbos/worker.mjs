// Workers (holdfast-contract-worker), clients of both releases, and waiting for what they do.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export const RELEASES = { '5.3.0': '@dbos-inc/dbos-sdk', '4.27.6': 'dbos-sdk-4' };
export const QUEUE = 'conf';
export const INTERNAL_QUEUE = '_dbos_internal_queue';

// Milliseconds. A wait that takes this long has failed; nothing is measured.
const PATIENCE = 30_000;
const POLL = 25;
export const QUICK = { pollingIntervalMs: POLL };

// Asks until the answer is true, and gives it back.
export async function until(ask, what) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `waited in vain: ${what ?? ask}`);
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

function spawnWorker(url, options) {
  const binary = process.env.HOLDFAST_CONTRACT_WORKER;
  assert.ok(binary, 'HOLDFAST_CONTRACT_WORKER names the program of the worker');
  const flags = { '--database-url': url, '--queue': QUEUE, '--app-name': 'interop',
    '--app-version': 'v1', ...options };
  const parts = Object.entries(flags).filter(([, value]) => value !== undefined).flat();
  const worker = spawn(binary, parts.map(String).filter((part) => part !== ''),
    { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  createInterface({ input: worker.stderr }).on('line', (line) => said.push(line));
  return { worker, said };
}

// A worker that holds its lease. said: what it wrote on standard error, line by line.
export async function startWorker(url, options = {}) {
  const { worker, said } = spawnWorker(url, options);
  const ended = once(worker, 'exit');
  const lines = createInterface({ input: worker.stdout });
  const first = await Promise.race([once(lines, 'line'), ended]);
  assert.equal(first[0], 'ready', `the worker did not start: ${said.join('; ')}`);
  const end = async (signal) => {
    worker.kill(signal);
    const [code] = await ended;
    return code;
  };
  return {
    said,
    isAlive: () => worker.exitCode === null && worker.signalCode === null,
    freeze: () => worker.kill('SIGSTOP'),
    thaw: () => worker.kill('SIGCONT'),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

// The exit code, and the lines it said, of a worker that is expected to end by itself.
export async function runWorker(url, options = {}) {
  const { worker, said } = spawnWorker(url, options);
  const [code] = await once(worker, 'close');
  return { code, said };
}

export async function openClient(release, url, options = {}) {
  const sdk = await import(RELEASES[release]);
  const { DBOSClient } = sdk.default ?? sdk;
  const logger = { info() {}, debug() {}, warn: console.warn, error: console.error };
  return DBOSClient.create({ systemDatabaseUrl: url, logger, ...options });
}

export async function collect(values) {
  const all = [];
  for await (const value of values) all.push(value);
  return all;
}

// What a promise fails with.
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it did not fail');
}
