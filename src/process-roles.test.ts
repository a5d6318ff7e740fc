import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeShop, startShop } from './testing/shop.ts';
import { spawnShop } from './testing/spawn-banyan.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'banyan-roles-'));
});
afterEach(() => removeShop(dataDir));

test('a worker process serves health on its public port, and nothing else', async () => {
  const worker = await spawnShop(dataDir, { ROLES: 'worker' });
  const { url, opsUrl } = worker.control;
  for (const path of ['/livez', '/readyz', '/health']) {
    expect((await fetch(`${url}${path}`)).status, path).toBe(200);
    expect((await fetch(`${opsUrl}${path}`)).status, path).toBe(200);
  }
  for (const path of ['/api/v1/products', '/openapi.json', '/docs', '/.well-known/jwks.json', '/metrics']) {
    const answer = await fetch(`${url}${path}`);
    expect(answer.status, path).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await answer.json()).toMatchObject({ code: 'not_found', instance: path });
  }
  expect(worker.output()).toMatch(/role +worker\n/);
  expect(await worker.end('SIGTERM')).toBe(0);
});

test('the modules of a worker process reach the public API from inside', async () => {
  const worker = await startShop({ config: { roles: ['worker'] } });
  expect((await worker.request('GET', '/products')).status).toBe(200);
  await worker.stop();
});

test('an http process leaves events to a worker', async () => {
  const http = await startShop({ dataDir, config: { roles: ['http'] } });
  const { token } = await http.signUp();
  const currentPassword = 'a long enough password';
  const changed = await http.request('PUT', '/users/me/password', {
    token,
    body: { currentPassword, newPassword: 'another long password' },
  });
  expect(changed.status).toBe(204);
  // A relay would have delivered by the end of the stop, which waits for what is in progress.
  await http.stop();

  const again = await startShop({ dataDir, config: { roles: ['http'] } });
  expect(await again.shop.events.list({ limit: 10 })).toMatchObject([
    { type: 'user.password_changed.v1', state: 'pending' },
  ]);
  await again.stop();

  const worker = await startShop({ dataDir, config: { roles: ['worker'] } });
  await worker.settled();
  expect(await worker.shop.events.list({ limit: 10 })).toEqual([]);
  await worker.stop();
});
