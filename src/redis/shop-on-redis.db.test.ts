import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type RedisServer, startRedis } from '../testing/servers/redis-server.ts';
import { startShop, type TestShop } from '../testing/shop.ts';

let server: RedisServer;
let shop: TestShop;

beforeEach(async () => {
  server = await startRedis();
  shop = await startShop({ config: { redisUrl: server.url } });
  await shop.shop.start({ listen: false });
});
afterEach(async () => {
  await shop.stop();
  await server.stop();
});

async function redisIs(state: 'up' | 'down'): Promise<void> {
  await vi.waitFor(
    async () => {
      const { status, body } = await shop.request('GET', '/health');
      expect([status, body.status, body.redis]).toEqual([200, 'ok', state]);
    },
    { timeout: 20_000, interval: 50 },
  );
}

it.each(['SIGKILL', 'SIGSTOP'] as const)(
  'a shop stays ready and serves while Redis is gone by %s',
  async (signal) => {
    await redisIs('up');
    await server.kill(signal);
    const { token } = await shop.signUp('staff');
    const variants = [{ sku: 'mug', prices: [] }];
    const made = await shop.request('POST', '/products', {
      token,
      body: { name: 'Mug', variants },
      headers: { 'idempotency-key': uuidv7() },
    });
    expect(made.status).toBe(201);
    const path = `/products/${made.body.id}`;
    expect((await shop.request('GET', path)).body.name).toBe('Mug');
    await shop.request('PATCH', path, { token, body: { name: 'Cup' } });
    expect((await shop.request('GET', path)).body.name).toBe('Cup');
    await redisIs('down');
    expect((await shop.request('GET', '/readyz')).status).toBe(200);

    if (signal === 'SIGKILL') await server.start();
    else await server.kill('SIGCONT');
    await redisIs('up');
  },
);
