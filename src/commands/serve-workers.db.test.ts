import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runBanyan } from '../testing/spawn-banyan.ts';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';

const banyan = join(import.meta.dirname, '../../bin/banyan');

let database: TestDatabase;
let dataDir: string;
let shop: ChildProcess | undefined;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-workers-'));
  database = await createTestDatabase();
});

afterAll(async () => {
  shop?.kill('SIGKILL');
  await database?.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

test('serve runs several processes as one shop', async () => {
  shop = spawn(banyan, ['serve', '--workers', '2', '--data-dir', dataDir], {
    env: {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: '10',
      ADMIN_EMAIL: 'admin@example.com',
      ADMIN_PASSWORD: 'correct horse battery',
      HOST: '127.0.0.1',
      PORT: '0',
      OPS_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [shop.stdout, shop.stderr]) {
    stream?.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const until = <T>(look: () => T) => expect.poll(look, { timeout: 45_000 });
  const urlAfter = (what: string) => output.match(new RegExp(`${what} +(http://[^/\\s]+)`))?.[1];
  await until(() => output).toMatch(/operations +http/);

  const metrics = async () => await (await fetch(`${urlAfter('operations')}/metrics`)).text();
  await until(metrics).toMatch(/process_cpu_seconds_total\{worker="2"\}/);
  expect(await metrics()).toMatch(/process_cpu_seconds_total\{worker="1"\}/);
  for (const worker of [1, 2]) {
    await until(metrics).toContain(`banyan_outbox_pending{module="order",worker="${worker}"} 0\n`);
    await until(metrics).toContain(`banyan_ready{worker="${worker}"} 1\n`);
  }
  expect((await fetch(`${urlAfter('shop')}/api/v1/products`)).status).toBe(200);
  expect((await fetch(`${urlAfter('operations')}/control/events`)).status).toBe(404);
  expect(existsSync(join(dataDir, 'control.json'))).toBe(false);

  const ended = once(shop, 'exit');
  shop.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(output.match(/Banyan \d/g), output).toHaveLength(1);
  expect(output.match(/first admin/g), output).toHaveLength(1);
  expect(output).toMatch(/processes +2/);
  expect(output).not.toContain(new URL(database.url).password || 'no password');
  expect(output.match(/"msg":"stopped"/g)).toHaveLength(2);
});

test('without a database it ends, and says why once', async () => {
  const { code, err } = await runBanyan(['serve', '--workers', '3', '--data-dir', dataDir], {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
    HOST: '127.0.0.1',
    PORT: '0',
    OPS_PORT: '0',
  });
  expect(code).toBe(69);
  expect(err.match(/^banyan: /gm)).toHaveLength(1);
});
