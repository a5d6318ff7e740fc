import type { TestProject } from 'vitest/node';
import { startPostgres } from './servers/postgres-server.ts';
import { startRedis } from './servers/redis-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Postgres whose login may make databases and roles. */
    postgresUrl: string;
    redisUrl: string;
  }
}

/**
 * Gives the tests of a project a Postgres and a Redis: those of TEST_DATABASE_URL and TEST_REDIS_URL, else servers
 * that are started for this run and end with it; TEST_SERVERS=npm takes npm's, as on a machine that has no others.
 * A run without tests of that project starts none.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { TEST_DATABASE_URL, TEST_REDIS_URL, TEST_SERVERS } = process.env;
  const source = TEST_SERVERS === 'npm' ? 'npm' : undefined;
  const [postgres, redis] = await Promise.allSettled([
    TEST_DATABASE_URL ? given(TEST_DATABASE_URL) : startPostgres({ durable: false, source }),
    TEST_REDIS_URL ? given(TEST_REDIS_URL) : startRedis({ source }),
  ]);
  const stop = async () => {
    for (const server of [postgres, redis]) if (server.status === 'fulfilled') await server.value.stop();
  };
  if (postgres.status === 'rejected' || redis.status === 'rejected') {
    await stop();
    throw postgres.status === 'rejected' ? postgres.reason : (redis as PromiseRejectedResult).reason;
  }
  project.provide('postgresUrl', postgres.value.url);
  project.provide('redisUrl', redis.value.url);
  return stop;
}

/** A server that somebody else runs, and stops. */
async function given(url: string) {
  return { url, stop: async () => undefined };
}
