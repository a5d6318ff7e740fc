import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRateLimit } from '../http/rate-limit.ts';
import { linkRedis, type TestLink } from '../testing/redis-link.ts';
import { type RedisServer, startRedis } from '../testing/servers/redis-server.ts';
import { createLimiters, type Limiter } from './limiters.ts';

const WAIT = { timeout: 20_000, interval: 20 };

let server: RedisServer;
let links: TestLink[];

beforeEach(async () => {
  server = await startRedis();
  links = [linkRedis(server.url), linkRedis(server.url)];
  await available(true);
});
afterEach(async () => {
  for (const { redis } of links) redis.close();
  await server.stop();
});

async function available(wanted: boolean): Promise<void> {
  await vi.waitFor(() => {
    expect(links.map(({ redis }) => redis.available)).toEqual([wanted, wanted]);
  }, WAIT);
}

/** The same limiter in two processes of one shop. */
function inBoth(name = 'tries'): [Limiter, Limiter] {
  const [a, b] = links.map(({ redis }) =>
    createLimiters(redis, 'shop').limiter({ name, points: 3, seconds: 600 }),
  );
  return [a!, b!];
}

describe('a limiter', () => {
  it('counts for all processes together, by key', async () => {
    const [a, b] = inBoth();
    expect((await a.add('anna')).counted).toBe(1);
    expect((await b.add('anna')).counted).toBe(2);
    expect((await b.add('ben')).counted).toBe(1);
    expect(await a.read('anna')).toMatchObject({ counted: 2 });
    expect(await a.read('carl')).toBeUndefined();
  });

  it('blocks and forgets for all processes', async () => {
    const [a, b] = inBoth();
    await a.block('anna', 100);
    const blocked = await b.read('anna');
    expect(blocked!.counted).toBeGreaterThan(3);
    expect(blocked!.msLeft).toBeGreaterThan(50_000);
    await b.forget('anna');
    expect(await a.read('anna')).toBeUndefined();
  });

  it('keeps to itself what other limiters and other shops count', async () => {
    const [a] = inBoth();
    await a.add('anna');
    const [other] = inBoth('requests');
    expect((await other.add('anna')).counted).toBe(1);
    const elsewhere = createLimiters(links[0]!.redis, 'another shop');
    const limiter = elsewhere.limiter({ name: 'tries', points: 3, seconds: 600 });
    expect((await limiter.add('anna')).counted).toBe(1);
  });

  it('leaves nothing in Redis that names whom it counted, and nothing for ever', async () => {
    const [a] = inBoth();
    await a.add('anna@example.com');
    await a.block('anna@example.com 192.0.2.1', 100);
    await links[0]!.redis.ask(async (connection) => {
      const keys = await connection.keys('*');
      expect(keys).toHaveLength(2);
      for (const key of keys) {
        expect(key).toMatch(/^banyan:shop:limit:tries:[\w-]{43}$/);
        expect(await connection.ttl(key)).toBeGreaterThan(0);
      }
    });
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)('goes on by itself while Redis is gone by %s', async (signal) => {
    const [a, b] = inBoth();
    await a.add('anna');
    await b.add('anna');
    await server.kill(signal);
    const counts = await Promise.all([a.add('anna'), a.add('anna'), b.add('anna')]);
    expect(counts.map(({ counted }) => counted)).toEqual([1, 2, 1]);
    await available(false);
    expect((await a.add('anna')).counted).toBe(3);
    await a.block('ben', 100);
    expect(await a.read('ben')).toBeDefined();
    await a.forget('ben');
    expect(await a.read('ben')).toBeUndefined();

    if (signal === 'SIGKILL') await server.start();
    else await server.kill('SIGCONT');
    await available(true);
    const before = (await a.add('anna')).counted;
    expect((await b.add('anna')).counted).toBe(before + 1);
  });

  it('forgets what it counted by itself too', async () => {
    const [a] = inBoth();
    await server.kill('SIGKILL');
    await available(false);
    await a.add('anna');
    await server.start();
    await available(true);
    await a.forget('anna');
    await server.kill('SIGKILL');
    await available(false);
    expect((await a.add('anna')).counted).toBe(1);
  });
});

describe('the limit of requests', () => {
  it('is one for all processes', async () => {
    const [a, b] = links.map(({ redis }) => createRateLimit(2, createLimiters(redis, 'shop')));
    expect((await a!.count('client')).headers.ratelimit).toMatch(/;r=1;t=60$/);
    expect((await b!.count('client')).refusal).toBeUndefined();
    const { refusal, headers } = await a!.count('client');
    expect(refusal).toMatchObject({ kind: 'too_many', code: 'rate_limited' });
    expect(headers.ratelimit).toMatch(/;r=0;t=\d+$/);
  });
});
