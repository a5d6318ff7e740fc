import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { linkRedis, type TestLink } from '../testing/redis-link.ts';
import { type RedisServer, startRedis } from '../testing/servers/redis-server.ts';
import type { Redis } from './redis.ts';

const WAIT = { timeout: 20_000, interval: 20 };

let server: RedisServer;
let link: TestLink;

beforeEach(async () => {
  server = await startRedis();
  link = linkRedis(server.url);
});
afterEach(async () => {
  link.redis.close();
  await server.stop();
});

async function availability(of: Redis, wanted: boolean): Promise<void> {
  await vi.waitFor(() => expect(of.available).toBe(wanted), WAIT);
}

/** Asks once, and tells how that ended and whether the connection was used. */
async function tryPing(redis: Redis): Promise<{ outcome: string; used: boolean }> {
  let used = false;
  const outcome = await redis
    .ask((connection) => {
      used = true;
      return connection.ping();
    })
    .catch((error: { code: string }) => error.code);
  return { outcome, used };
}

/** What was logged of Redis, in short. */
function messages(): unknown[] {
  return link.logged.map(({ level, msg }) => `${level}: ${msg}`);
}

describe('a link to Redis', () => {
  it('carries commands once Redis has answered, and says so', async () => {
    const back = vi.fn();
    link.redis.onBack(back);
    await availability(link.redis, true);
    expect(back).toHaveBeenCalledTimes(1);
    expect(await tryPing(link.redis)).toEqual({ outcome: 'PONG', used: true });
    expect(messages()).toEqual([]);
  });

  it('may begin before Redis does', async () => {
    await server.kill('SIGKILL');
    const early = linkRedis(server.url);
    try {
      expect(early.redis.available).toBe(false);
      expect(await tryPing(early.redis)).toEqual({ outcome: 'redis_away', used: false });
      await server.start();
      await availability(early.redis, true);
    } finally {
      early.redis.close();
    }
  });

  it('fails at once while Redis is down, and comes back with it', async () => {
    await availability(link.redis, true);
    const back = vi.fn();
    link.redis.onBack(back);
    await server.kill('SIGKILL');
    await availability(link.redis, false);
    expect(await tryPing(link.redis)).toEqual({ outcome: 'redis_away', used: false });
    await server.start();
    await availability(link.redis, true);
    expect(back).toHaveBeenCalledTimes(1);
    expect((await tryPing(link.redis)).outcome).toBe('PONG');
  });

  it('waits for a silent Redis once, and leaves the connection alone until it has answered', async () => {
    await availability(link.redis, true);
    await server.kill('SIGSTOP');
    const first = await Promise.all([tryPing(link.redis), tryPing(link.redis)]);
    expect(first.map(({ outcome }) => outcome)).toEqual(['redis_away', 'redis_away']);
    expect(await tryPing(link.redis)).toEqual({ outcome: 'redis_away', used: false });
    await server.kill('SIGCONT');
    await availability(link.redis, true);
    expect((await tryPing(link.redis)).outcome).toBe('PONG');
  });

  it('notices a silent Redis though nobody asks it for anything', async () => {
    await availability(link.redis, true);
    await server.kill('SIGSTOP');
    await availability(link.redis, false);
    await server.kill('SIGCONT');
    await availability(link.redis, true);
  });

  it('tells of an outage once and of the return once, however often it tried', async () => {
    await availability(link.redis, true);
    const tried = vi.fn();
    link.redis.connect().on('reconnecting', tried);
    await server.kill('SIGKILL');
    await vi.waitFor(() => expect(tried.mock.calls.length).toBeGreaterThan(4), WAIT);
    await server.start();
    await availability(link.redis, true);
    expect(messages()).toEqual(['warn: Redis is away', 'info: Redis answers again']);
  });

  it('passes on what Redis refuses, and stays available', async () => {
    await availability(link.redis, true);
    const refused = link.redis.ask((connection) => connection.call('NOSUCHCOMMAND'));
    await expect(refused).rejects.toThrow('unknown command');
    expect(link.redis.available).toBe(true);
  });

  it('keeps a password that Redis refuses out of the log', async () => {
    await availability(link.redis, true);
    await link.redis.ask((connection) => connection.config('SET', 'requirepass', 'the right one'));
    const stranger = linkRedis(server.url.replace('redis://', 'redis://:open-sesame@'));
    try {
      await vi.waitFor(() => expect(stranger.logged.length).toBeGreaterThan(0), WAIT);
      expect(JSON.stringify(stranger.logged)).not.toContain('open-sesame');
      expect(stranger.redis.available).toBe(false);
    } finally {
      stranger.redis.close();
    }
  });

  it('ends every connection it gave away, and their duplicates, when it is closed', async () => {
    const own = link.redis.connect();
    const second = own.duplicate();
    for (const each of [own, second]) await vi.waitFor(() => expect(each.status).toBe('ready'), WAIT);
    link.redis.close();
    for (const each of [own, second]) await vi.waitFor(() => expect(each.status).toBe('end'), WAIT);
    expect(await tryPing(link.redis)).toEqual({ outcome: 'redis_away', used: false });
    expect(messages()).toEqual([]);
  });
});
