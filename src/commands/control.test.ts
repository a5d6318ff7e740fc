import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { serve } from '@hono/node-server';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Finding } from '../audit.ts';
import { createControlApp, type ListedDelivery, type Operations } from './control.ts';
import { findRunningShop } from './control-client.ts';
import { readControlFile, removeControlFile, writeControlFile } from './control-file.ts';

const token = 'control-token-of-32-characters!!';
const eventId = '01936f2e-0000-7000-8000-000000000001';
const finding: Finding = { invariant: 'I1', subject: 'variant 1', detail: 'reserved 2, reservations 1' };
const delivery: ListedDelivery = {
  eventId,
  consumer: 'notification',
  type: 'order.paid.v1',
  stream: 'order:1',
  version: 3,
  state: 'parked',
  attempts: 10,
  dueAt: '2026-01-01T00:00:00.000Z',
  lastError: 'no route',
  module: 'order',
};

const newKey = { kid: 'key-2', signsFrom: '2026-01-01T00:05:00.000Z' };

let calls: unknown[];
let auditFails: boolean;
let backupFails: boolean;
let dataDir: string;
let stop: (() => Promise<void>)[];

const shop: Operations = {
  async *audit() {
    yield finding;
    if (auditFails) throw new Error('database gone');
  },
  async *backup() {
    yield Buffer.from('first, ');
    if (backupFails) throw new Error('disk gone');
    yield Buffer.from('last');
  },
  events: {
    list: async (filter) => {
      calls.push(filter);
      return [delivery];
    },
    retry: async (...event) => {
      calls.push(event);
      return 2;
    },
    skip: async (...event) => {
      calls.push(event);
      return 1;
    },
  },
  keys: { rotate: async () => newKey },
  orders: { rebuild: async () => 3 },
};

beforeEach(() => {
  calls = [];
  auditFails = false;
  backupFails = false;
  stop = [];
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-control-'));
});

afterEach(async () => {
  for (const stopOne of stop) await stopOne();
  rmSync(dataDir, { recursive: true });
});

/** Serves the control app, as `serve` does, and tells the folder about it. */
async function run(overrides: { token?: string } = {}): Promise<void> {
  const started = Promise.withResolvers<number>();
  const app = createControlApp(shop, token);
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (info) =>
    started.resolve(info.port),
  );
  stop.push(() => new Promise((resolve) => server.close(() => resolve())));
  const opsUrl = `http://127.0.0.1:${await started.promise}`;
  writeControlFile(dataDir, { pid: process.pid, url: 'http://127.0.0.1:1', opsUrl, token, ...overrides });
}

async function collect(findings: AsyncIterable<Finding>): Promise<Finding[]> {
  const all: Finding[] = [];
  for await (const one of findings) all.push(one);
  return all;
}

test.each([
  ['GET', '/control/ping'],
  ['POST', '/control/audit'],
  ['POST', '/control/backup'],
  ['GET', '/control/events'],
  ['POST', '/control/events/retry'],
  ['POST', '/control/events/skip'],
  ['POST', '/control/keys/rotate'],
  ['POST', '/control/orders/rebuild'],
])('%s %s answers 401 without the token and with a wrong one', async (method, path) => {
  const app = createControlApp(shop, token);
  expect((await app.request(path, { method })).status).toBe(401);
  const headers = { authorization: `Bearer ${token.slice(0, -1)}?` };
  expect((await app.request(path, { method, headers })).status).toBe(401);
  expect(calls).toEqual([]);
});

test('malformed input is 400 and reaches nothing', async () => {
  const app = createControlApp(shop, token);
  const headers = { authorization: `Bearer ${token}` };
  const body = JSON.stringify({ eventId: 'x' });
  expect((await app.request('/control/events?state=done', { headers })).status).toBe(400);
  expect((await app.request('/control/events/skip', { method: 'POST', headers, body })).status).toBe(400);
  expect(calls).toEqual([]);
});

test('a command reaches every operation of the running shop', async () => {
  await run();
  const running = await findRunningShop(dataDir);
  expect(running?.url).toBe('http://127.0.0.1:1');
  expect(await collect(running!.audit())).toEqual([finding]);
  expect(await text(running!.backup())).toBe('first, last');
  expect(await running!.events.list({ state: 'parked', limit: 5 })).toEqual([delivery]);
  expect(await running!.events.retry(eventId)).toBe(2);
  expect(await running!.events.skip(eventId, 'notification')).toBe(1);
  expect(await running!.keys.rotate()).toEqual(newKey);
  expect(await running!.orders.rebuild()).toBe(3);
  expect(calls).toEqual([{ state: 'parked', limit: 5 }, [eventId, undefined], [eventId, 'notification']]);
});

test('an audit that breaks off is an error, not a clean result', async () => {
  await run();
  auditFails = true;
  const running = await findRunningShop(dataDir);
  await expect(collect(running!.audit())).rejects.toThrow('database gone');
});

test('a backup that breaks off is an error, not a short file', async () => {
  await run();
  backupFails = true;
  const running = await findRunningShop(dataDir);
  await expect(text(running!.backup())).rejects.toThrow();
});

test('a backup that nobody takes further ends, and so does what it holds', async () => {
  const ended = Promise.withResolvers<void>();
  const endless: Operations = {
    ...shop,
    async *backup() {
      try {
        for (;;) yield Buffer.alloc(1024);
      } finally {
        ended.resolve();
      }
    },
  };
  const headers = { authorization: `Bearer ${token}` };
  const app = createControlApp(endless, token, 20);
  const answer = await app.request('/control/backup', { method: 'POST', headers });
  await ended.promise;
  await expect(answer.text()).rejects.toThrow('nobody took the backup');
});

test('without a control file, and with a malformed one, no shop runs', async () => {
  expect(await findRunningShop(dataDir)).toBeUndefined();
  writeFileSync(join(dataDir, 'control.json'), '{');
  expect(await findRunningShop(dataDir)).toBeUndefined();
});

test('a file left by a dead process is no running shop', async () => {
  await run();
  await stop.pop()!();
  expect(await findRunningShop(dataDir)).toBeUndefined();
});

test('a stranger on the port of a dead process is no running shop', async () => {
  await run({ token: 'left-by-another-process-long-ago' });
  expect(await findRunningShop(dataDir)).toBeUndefined();
});

test("the control file is its owner's alone, and goes away", async () => {
  await run();
  expect(statSync(join(dataDir, 'control.json')).mode & 0o777).toBe(0o600);
  removeControlFile(dataDir);
  expect(readControlFile(dataDir)).toBeUndefined();
});
