import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeCertificate } from '../testing/certificate.ts';
import { runBanyan } from '../testing/spawn-banyan.ts';
import { spawnUp } from '../testing/spawn-up.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-up-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test('monolith needs nothing beside it, and tells its first admin', { timeout: 120_000 }, async () => {
  const running = await spawnUp('monolith', dataDir, {});
  expect((await fetch(`${running.file().url}/api/v1/products`)).status).toBe(200);
  expect(running.output()).toMatch(/^shop +\| first admin/m);
  expect(await running.end('SIGTERM')).toBe(0);
});

test('with a certificate the address is told as https', { timeout: 120_000 }, async () => {
  const { certFile, keyFile } = makeCertificate(dataDir);
  const running = await spawnUp('monolith', dataDir, { TLS_CERT: certFile, TLS_KEY: keyFile });
  const { url, processes } = running.file();
  await running.end('SIGTERM');
  expect([url, processes.shop?.url]).toEqual([url, url]);
  expect(url).toMatch(/^https:/);
});

test('everything that is wrong is told at once, before anything starts', async () => {
  const file = join(dataDir, 'mine.yaml');
  writeFileSync(
    file,
    `
description: A test.
processes:
  a: { modules: [user, product, payment, order, mail], roles: [http], public: true }
  B: { modules: [user, product, payment, notification], roles: [worker] }`,
  );
  const args = ['up', file, '--port', '9080', '--ops-port', '9081', '--data-dir', dataDir];
  const { code, out, err } = await runBanyan(args, { RATE_LIMIT: 'fast', DATA_DIR: '' });
  expect(code).toBe(78);
  expect(out).toBe('');
  const problems = err.trim().split('\n').slice(1);
  expect(problems).toEqual([
    expect.stringContaining('a: there is no module mail'),
    expect.stringContaining('B: a process is named by'),
    expect.stringContaining('no process with the role worker hosts order'),
    expect.stringContaining('no process with the role http hosts notification'),
    expect.stringContaining('OPS_PORT: 2 processes need 2 ports each'),
    expect.stringContaining('RATE_LIMIT: '),
    expect.stringContaining('SERVICE_SECRET: '),
    expect.stringContaining('DATABASE_URL: '),
    expect.stringContaining('REDIS_URL: '),
  ]);
});

test('ports that another program has are told before anything starts', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const args = ['up', 'monolith', '--port', '0', '--ops-port', String(port), '--data-dir', dataDir];
  const { code, err } = await runBanyan(args, {});
  other.close();
  expect(code).toBe(78);
  expect(err).toContain(`OPS_PORT: ${port} is in use already`);
});

test('a port that is no port is told too', async () => {
  const { code, err } = await runBanyan(['up', 'split', '--port', 'http'], {});
  expect(code).toBe(78);
  expect(err).toMatch(/PORT: expected a port.*"http"/);
  expect(err).toMatch(/SERVICE_SECRET: /);
});
