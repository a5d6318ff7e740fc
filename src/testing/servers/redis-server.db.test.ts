import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { findRedis } from './redis-binaries.ts';
import { type RedisServer, startRedis } from './redis-server.ts';
import { isAlive } from './server-folder.ts';

async function withClient<T>(server: RedisServer, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(server.url, { maxRetriesPerRequest: 1 });
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

// A machine without a Redis of its own still has npm's.
const sources = (await findRedis()) === undefined ? (['npm'] as const) : (['system', 'npm'] as const);

describe.each(sources)('a Redis for tests, from %s', (source) => {
  test('answers, evicts nothing, and leaves no process and no folder', async () => {
    const server = await startRedis({ source });
    const { pid, folder } = server;
    expect(isAlive(pid!)).toBe(true);
    await withClient(server, async (redis) => {
      expect(await redis.ping()).toBe('PONG');
      expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    });
    await server.stop();
    await server.stop();
    expect(isAlive(pid!)).toBe(false);
    expect(existsSync(folder)).toBe(false);
  });

  test('comes back on its port after a kill, with its data only if told to keep it', async () => {
    const appendonly = source === 'system';
    const server = await startRedis({ source, appendonly });
    try {
      await withClient(server, (redis) => redis.set('kept', 'yes'));
      await server.kill('SIGKILL');
      expect(server.pid).toBeUndefined();
      await server.start();
      const kept = await withClient(server, (redis) => redis.get('kept'));
      expect(kept).toBe(appendonly ? 'yes' : null);
    } finally {
      await server.stop();
    }
  });
});

test('a Redis that cannot keep data is not passed off as one that can', async () => {
  await expect(startRedis({ source: 'npm', appendonly: true })).rejects.toThrow('keeps data');
});
