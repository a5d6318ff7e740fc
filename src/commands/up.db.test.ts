import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runBanyan } from '../testing/spawn-banyan.ts';
import { type RunningPlacement, spawnUp } from '../testing/spawn-up.ts';
import { createTestDatabase, type TestDatabase, testRedis } from '../testing/test-database.ts';

let database: TestDatabase;
let dataDir: string;
let running: RunningPlacement | undefined;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-up-'));
  database = await createTestDatabase();
});

afterEach(async () => {
  await running?.end('SIGTERM');
  running = undefined;
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

const servers = () => ({
  DATABASE_URL: database.url,
  REDIS_URL: testRedis().url,
  SERVICE_SECRET: 'a secret of this test, long enough to be one',
  ADMIN_EMAIL: 'admin@example.com',
  ADMIN_PASSWORD: 'correct horse battery',
});

/** Processes take their time to start on a busy machine. */
const until = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 });

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('split starts as one shop behind its gateway, and ends as a whole', { timeout: 240_000 }, async () => {
  running = await spawnUp('split', dataDir, servers());
  const { url, processes } = running.file();
  expect(Object.keys(processes)).toHaveLength(11);
  expect(Object.values(processes).every(({ isReady }) => isReady)).toBe(true);
  expect(url).toBe(processes.gateway?.url);
  const targets = JSON.parse(readFileSync(join(dataDir, 'up-targets.json'), 'utf8'));
  expect(targets).toContainEqual({
    targets: [new URL(processes['order-worker']!.opsUrl).host],
    labels: { process: 'order-worker' },
  });
  const login = await fetch(`${url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'admin@example.com', password: 'correct horse battery' }),
  });
  expect(login.status).toBe(200);
  expect((await fetch(`${url}/api/v1/products`)).status).toBe(200);
  expect(running.output()).toMatch(/^up +\| order-worker +order +worker +http/m);
  expect(running.output()).not.toContain('a secret of this test');

  expect(await running.end('SIGTERM')).toBe(0);
  expect(Object.values(processes).filter(({ pid }) => isAlive(pid))).toEqual([]);
  expect(existsSync(join(dataDir, 'up.json'))).toBe(false);
  expect(running.output().match(/"msg":"stopped"/g)).toHaveLength(11);
});

test('a process that is killed comes back in its place', { timeout: 180_000 }, async () => {
  running = await spawnUp('workers', dataDir, servers());
  const before = running.file().processes;
  process.kill(before.worker!.pid!, 'SIGKILL');
  await until(running.output).toMatch(/up +\| worker is ready again/);
  const after = running.file().processes;
  expect(after.worker).toMatchObject({
    url: before.worker?.url,
    opsUrl: before.worker?.opsUrl,
    isReady: true,
  });
  expect(after.worker?.pid).not.toBe(before.worker?.pid);
  expect(after.http).toEqual(before.http);
  expect(running.output()).toContain('worker has ended by SIGKILL');
});

test('when up itself is killed, its processes end too', { timeout: 180_000 }, async () => {
  running = await spawnUp('workers', dataDir, servers());
  const { http, worker } = running.file().processes;
  expect([isAlive(http?.pid), isAlive(worker?.pid)]).toEqual([true, true]);
  await running.end('SIGKILL');
  await until(() => [isAlive(http?.pid), isAlive(worker?.pid)]).toEqual([false, false]);
});

test('a process that cannot start ends them all, with its exit code', async () => {
  const env = { ...servers(), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' };
  const args = ['up', 'workers', '--port', '0', '--ops-port', '0', '--data-dir', dataDir];
  const { code, out } = await runBanyan(args, env);
  expect(code).toBe(69);
  expect(out).toMatch(/^up +\| (http|worker) has ended with exit code 69 before it was ready/m);
});
