import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sleep } from './deadline.ts';
import { armObstacle } from './failpoint.ts';
import { startShop, type TestShop } from './testing/shop.ts';
import { scrape } from './testing/told-metrics.ts';

/** More than a second, after which a loop that has nothing to do looks again. */
const STUCK_MS = 3_000;
let shop: TestShop;

beforeAll(async () => {
  shop = await startShop({ stuckMs: STUCK_MS });
});
afterAll(() => shop.stop());

async function ready(): Promise<unknown> {
  const { status, body } = await shop.request('GET', '/readyz');
  return status === 200 ? 'ready' : body.problems;
}

const within = { timeout: 30_000, interval: 50 };

it('a process is ready while a handler fails again and again: its relay turns', async () => {
  let tries = 0;
  armObstacle(async () => {
    tries += 1;
    throw new Error('poison');
  });
  const { token } = await shop.signUp();
  await shop.request('PUT', '/users/me/password', {
    token,
    body: { currentPassword: 'a long enough password', newPassword: 'another long password' },
  });
  const endsAt = performance.now() + 1.5 * STUCK_MS;
  while (performance.now() < endsAt || tries < 3) {
    expect(await ready()).toBe('ready');
    await sleep(50);
  }
  const failed = (await scrape(shop.shop.opsApp)).find(
    ({ name, labels: { consumer, outcome } }) =>
      name === 'banyan_deliveries_total' && consumer === 'notification' && outcome === 'failed',
  );
  expect(failed?.value).toBeGreaterThan(1);
  armObstacle(async () => undefined);
  await shop.settled();
});

it('a relay that cannot take deliveries makes its process not ready, by name, until it can again', async () => {
  const rename = (from: string, to: string) =>
    shop
      .database('user')
      .rows(sql`alter table users.${sql.identifier(from)} rename to ${sql.identifier(to)}`);
  await rename('delivery', 'delivery_away');
  const relays = ['order', 'notification'].map((consumer) => `user relay to ${consumer}`);
  await expect.poll(ready, within).toEqual(relays.map((relay) => `${relay} is stuck`));
  const { status, body } = await shop.request('GET', '/health');
  expect([status, body.status]).toEqual([503, 'down']);
  expect(body.progress).toMatchObject({
    'database pool': 'turning',
    'order sagas': 'turning',
    'product jobs': 'turning',
    'user relay to notification': 'stuck',
  });
  expect((await shop.request('GET', '/livez')).status).toBe(200);
  await rename('delivery_away', 'delivery');
  await expect.poll(ready, within).toBe('ready');
  const told = async () =>
    (await scrape(shop.shop.opsApp)).find(({ name }) => name === 'banyan_ready')?.value;
  await expect.poll(told, within).toBe(1);
});
