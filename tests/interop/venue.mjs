// Starts holdfast-venue for one test file and ends it again, whatever happens.
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const START_DEADLINE_MS = 20_000;

export const MAKER = { name: 'maker', apiKey: 'makerHmacKey', secret: 'makerSecret' };
export const TAKER = { name: 'taker', apiKey: 'takerHmacKey', secret: 'takerSecret' };
export const ED25519_KEY = 'makerEd25519Key';

export function venueBinary() {
  const path = process.env.HOLDFAST_VENUE ??
    fileURLToPath(new URL('../../build/apps/holdfast-venue', import.meta.url));
  if (!existsSync(path)) throw new Error(`no holdfast-venue at ${path}; set HOLDFAST_VENUE`);
  return path;
}

function accountsFile(publicKeyPem) {
  const balances = 'balances = { BTC = "100", USDT = "10000000" }';
  return `
[[account]]
name = "${MAKER.name}"
maker_fee_rate = "0.001"
taker_fee_rate = "0.001"
${balances}
[[account.key]]
api_key = "${MAKER.apiKey}"
hmac_secret = "${MAKER.secret}"
[[account.key]]
api_key = "${ED25519_KEY}"
ed25519_public_key = """
${publicKeyPem}"""

[[account]]
name = "${TAKER.name}"
api_key = "${TAKER.apiKey}"
hmac_secret = "${TAKER.secret}"
maker_fee_rate = "0.001"
taker_fee_rate = "0.001"
${balances}
`;
}

// { port, controlPort, privateKeyPem, control(), stop() }
export async function startVenue(...extraArguments) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-interop-'));
  const keys = generateKeyPairSync('ed25519');
  const accounts = join(folder, 'accounts.toml');
  writeFileSync(accounts, accountsFile(keys.publicKey.export({ type: 'spki', format: 'pem' })));
  const market = extraArguments.includes('--market') ? [] : ['--market', 'none'];
  const child = spawn(
    venueBinary(), [...market, '--accounts', accounts, ...extraArguments],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  // Also when the test process is ended from outside.
  const endChild = () => child.kill('SIGKILL');
  process.once('exit', endChild);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

  const line = await new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('holdfast-venue did not start in time')), START_DEADLINE_MS);
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const match = text.match(/holdfast-venue listening address=\S+ port=(\d+) control_port=(\d+)/);
      if (match) {
        clearTimeout(timer);
        resolve(match);
      }
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`holdfast-venue ended with code ${code}`));
    });
  });
  const port = Number(line[1]);
  const controlPort = Number(line[2]);

  return {
    port,
    controlPort,
    rest: `http://127.0.0.1:${port}`,
    streams: `ws://127.0.0.1:${port}`,
    wsApi: `ws://127.0.0.1:${port}/ws-api/v3`,
    privateKeyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    async control(method, path, body) {
      const answer = await fetch(`http://127.0.0.1:${controlPort}${path}`, {
        method, body: body === undefined ? undefined : JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
    async stop() {
      process.removeListener('exit', endChild);
      if (child.exitCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        const code = await Promise.race([ended, deadline(10_000, 'holdfast-venue ignored SIGTERM')]);
        if (code !== 0) throw new Error(`holdfast-venue ended with code ${code}`);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function deadline(milliseconds, message) {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(message)), milliseconds).unref();
  });
}

// Waits for `promise`, but not for ever.
export function within(milliseconds, what, promise) {
  return Promise.race([promise, deadline(milliseconds, `${what}: nothing after ${milliseconds} ms`)]);
}

// Polls `probe` until it returns something truthy.
export async function eventually(what, probe, milliseconds = 10_000) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
