import { createHash } from 'node:crypto';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import type { Redis } from './redis.ts';

/** What is known of a key. */
export interface Count {
  /** How many have been counted in the window that runs, this one included. */
  readonly counted: number;
  /** Until the window, or the block, ends. */
  readonly msLeft: number;
}

/** Counts by key in windows that begin with a key's first count. It never fails. */
export interface Limiter {
  /** Counts one. */
  add(key: string): Promise<Count>;
  /** Undefined when nothing is counted and nothing blocked. */
  read(key: string): Promise<Count | undefined>;
  /** Starts a window of `seconds` whose limit is reached. */
  block(key: string, seconds: number): Promise<void>;
  forget(key: string): Promise<void>;
}

/** Makes limiters; those of one name share their counts, among processes too as far as Redis is there. */
export interface Limiters {
  limiter(options: { name: string; points: number; seconds: number }): Limiter;
}

/**
 * Counts in Redis, so that all processes of a shop count together. While Redis is away each counts by itself from
 * zero: nobody is refused or kept waiting for it. Without Redis that is always so. Redis sees keys hashed only,
 * since they may be addresses.
 */
export function createLimiters(redis: Redis | undefined, shopId: string): Limiters {
  return {
    limiter({ name, points, seconds }) {
      const options = { points, duration: seconds };
      const alone = new RateLimiterMemory(options);
      let shared: RateLimiterRedis | undefined;

      /** `penalty`, and not `consume`, which rejects past the limit: a rejection here is an outage. */
      async function on<T>(key: string, work: (limiter: RateLimiterAbstract, key: string) => Promise<T>) {
        if (!redis?.available) return await work(alone, key);
        const hash = createHash('sha256').update(key).digest('base64url');
        return await redis
          .ask((connection) => {
            const keyPrefix = `banyan:${shopId}:limit:${name}`;
            shared ??= new RateLimiterRedis({ ...options, storeClient: connection, keyPrefix });
            return work(shared, hash);
          }, 'COUNT')
          .catch(() => work(alone, key));
      }

      return {
        async add(key) {
          return countOf(await on(key, (limiter, id) => limiter.penalty(id)));
        },
        async read(key) {
          const state = await on(key, (limiter, id) => limiter.get(id));
          return state === null ? undefined : countOf(state);
        },
        async block(key, forSeconds) {
          await on(key, (limiter, id) => limiter.block(id, forSeconds));
        },
        async forget(key) {
          // What an outage counted here would come back with the next one.
          await alone.delete(key);
          await on(key, (limiter, id) => limiter.delete(id));
        },
      };
    },
  };
}

function countOf(state: { consumedPoints: number; msBeforeNext: number }): Count {
  return { counted: state.consumedPoints, msLeft: state.msBeforeNext };
}
