import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runBanyan, type ShopProcess, spawnShop } from '../testing/spawn-banyan.ts';

let dataDir: string;
let shop: ShopProcess;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-serve-'));
  shop = await spawnShop(dataDir, {});
});

afterAll(() => {
  shop?.child.kill('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

/** Runs another command on the same folder. */
const run = (...args: string[]) => runBanyan([...args, '--data-dir', dataDir]);

test('serve tells what it runs, where it answers, and the first admin', async () => {
  const { url, opsUrl } = shop.control;
  await expect.poll(() => shop.output()).toMatch(/first admin: \S+ with the password \S+/);
  expect(shop.output()).toMatch(/modules +user, product, payment, order, notification\n/);
  expect(shop.output()).toContain(`docs        ${url}/docs\n`);
  expect(shop.output()).toContain(`${opsUrl}/metrics`);
  expect(shop.output()).toContain(dataDir);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
});

test('the door for operators is on the operations port alone, and needs the token', async () => {
  const { url, opsUrl, token } = shop.control;
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(`${opsUrl}/control/events`)).status).toBe(401);
  expect((await fetch(`${opsUrl}/control/events`, { headers })).status).toBe(200);
  expect((await fetch(`${url}/control/events`, { headers })).status).toBe(404);
  expect((await fetch(`${opsUrl}/metrics`)).status).toBe(200);
  expect(statSync(join(dataDir, 'control.json')).mode & 0o777).toBe(0o600);
});

test('audit, events and keys go through the running process', async () => {
  expect(await run('audit')).toMatchObject({ code: 0, out: 'audit: every invariant holds\n' });
  expect(await run('events', 'parked')).toMatchObject({ code: 0, out: 'no such deliveries\n' });
  const rotated = await run('keys', 'rotate');
  expect(rotated).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^new signing key \S+, signs from \d{4}-/),
  });
  const jwks = (await (await fetch(`${shop.control.url}/.well-known/jwks.json`)).json()) as {
    keys: unknown[];
  };
  expect(jwks.keys).toHaveLength(2);
  expect(await run('events', 'retry', '01936f2e-0000-7000-8000-000000000001')).toMatchObject({ code: 1 });
});

test('a second opener is refused', async () => {
  const { code, err } = await run('migrate');
  expect(code).toBe(69);
  expect(err).toContain('is in use by another process');
});

test('after kill -9 its control file leads nowhere, and commands open the folder themselves', async () => {
  expect(await shop.end('SIGKILL')).toBeNull();
  expect(existsSync(join(dataDir, 'control.json'))).toBe(true);
  expect(await run('audit', '--json')).toEqual({ code: 0, out: '', err: '' });
  expect(await run('migrate')).toMatchObject({ code: 0, out: 'nothing to apply\n' });
});

test('SIGTERM ends it in order, and takes the control file away', async () => {
  shop = await spawnShop(dataDir, {});
  expect(shop.output()).not.toContain('first admin');
  expect(await shop.end('SIGTERM')).toBe(0);
  expect(existsSync(join(dataDir, 'control.json'))).toBe(false);
});
