// holdfast-venue as a process: its start-up line, exit codes, signals, TLS and a market of its own.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, startVenue, venueBinary, within } from './venue.mjs';

const fixture = (name) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

function run(...flags) {
  const result = spawnSync(venueBinary(), flags, { encoding: 'utf8', timeout: 20_000 });
  return { code: result.status, error: result.stderr.trim(), output: result.stdout };
}

describe('holdfast-venue refuses', () => {
  let folder;
  before(() => { folder = mkdtempSync(join(tmpdir(), 'holdfast-venue-')); });
  after(() => { rmSync(folder, { recursive: true, force: true }); });

  for (const [what, flags, pattern] of [
    ['an unknown flag', ['--frobnicate'], /--frobnicate/],
    ['a port that is none', ['--port', '99999999'], /--port/],
    ['an unknown market', ['--market', 'stock'], /--market/],
    ['a public address without TLS', ['--listen', '0.0.0.0'],
      /key=--listen value=0\.0\.0\.0 expected=a loopback address/],
    ['a certificate without its key', ['--tls-cert', 'x'], /key=--tls-cert value=x expected=/],
    ['replay without a capture', ['--market', 'replay'], /expected=at least one --capture/],
    ['an unknown symbol', ['--symbol', 'DOGE'], /key=--symbol value=DOGE expected=BTCUSDT/],
    ['a missing accounts file', ['--accounts', '/nowhere/a.toml'], /\/nowhere\/a\.toml/],
    ['a missing fault plan', ['--fault-plan', '/nowhere/p.toml'], /\/nowhere\/p\.toml/],
    ['a certificate that is none', ['--tls-cert', '/dev/null', '--tls-key', '/dev/null'],
      /cannot load certificate: file=\/dev\/null/],
  ]) {
    it(`${what}: exit 2 and one line`, () => {
      const result = run(...flags);
      assert.equal(result.code, 2);
      assert.match(result.error, pattern);
      assert.equal(result.error.split('\n').length, 1);
      assert.equal(result.output, '');
    });
  }

  it('an accounts file with a mistake, naming file, line, key and value', () => {
    const path = join(folder, 'accounts.toml');
    writeFileSync(path, '[[account]]\nname = "a"\nmaker_fee_rate = 0.1\n');
    const result = run('--accounts', path);
    assert.equal(result.code, 2);
    assert.match(result.error, /accounts\.toml:3: key=account\.maker_fee_rate value=0\.1 expected=/);
  });

  it('a port in use: exit 1', async () => {
    const venue = await startVenue();
    try {
      const result = run('--market', 'none', '--port', String(venue.port));
      assert.equal(result.code, 1);
      assert.match(result.error, new RegExp(`port=${venue.port} error=Address already in use`));
    } finally {
      await venue.stop();
    }
  });

  it('a capture that is not there: exit 1', () => {
    const result = run('--capture', '/nowhere/capture.gz');
    assert.equal(result.code, 1);
    assert.match(result.error, /\/nowhere\/capture\.gz/);
  });
});

describe('holdfast-venue serves', () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    it(`until ${signal}: exit 0`, async () => {
      const child = spawn(venueBinary(), ['--market', 'none'], { stdio: ['ignore', 'pipe', 'ignore'] });
      await within(20_000, 'start', new Promise((resolve) => child.stdout.once('data', resolve)));
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      assert.equal(await within(10_000, 'end', ended), 0);
    });
  }

  it('a generated market that moves and never crosses', async () => {
    const venue = await startVenue('--market', 'generated', '--seed', '7');
    try {
      const get = async (path) => (await fetch(`${venue.rest}${path}`)).json();
      await eventually('trades', async () =>
        (await get('/api/v3/trades?symbol=BTCUSDT')).length > 2);
      for (let i = 0; i < 20; ++i) {
        const top = await get('/api/v3/ticker/bookTicker?symbol=BTCUSDT');
        assert.ok(Number(top.bidPrice) > 0);
        assert.ok(Number(top.bidPrice) < Number(top.askPrice));
      }
    } finally {
      await venue.stop();
    }
  });

  it('https and wss with a certificate that is checked', async () => {
    const venue = await startVenue(
      '--tls-cert', fixture('loopback_cert.pem'), '--tls-key', fixture('loopback_key.pem'));
    const options = {
      host: '127.0.0.1', port: venue.port, ca: readFileSync(fixture('loopback_cert.pem')),
      agent: false,
    };
    try {
      const status = await within(10_000, 'https', new Promise((resolve, reject) => {
        https.get({ ...options, path: '/api/v3/ping' }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).on('error', reject);
      }));
      assert.equal(status, 200);
      const upgraded = await within(10_000, 'wss', new Promise((resolve, reject) => {
        https.get({
          ...options, path: '/ws',
          headers: {
            Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
            'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
          },
        }).on('upgrade', (answer, socket) => {
          socket.destroy();
          resolve(answer.statusCode);
        }).on('error', reject);
      }));
      assert.equal(upgraded, 101);
      await assert.rejects(fetch(`http://127.0.0.1:${venue.port}/api/v3/ping`));
    } finally {
      await venue.stop();
    }
  });
});
