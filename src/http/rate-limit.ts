import { AppError } from '../errors.ts';
import { RATE_WINDOW_SECONDS } from '../limits.ts';
import type { Count, Limiters } from '../redis/limiters.ts';

export interface RateLimit {
  /** Counts one request of `client`. `headers` belong on the answer; `refusal` is there past the limit. */
  count(client: string): Promise<{ headers: Record<string, string>; refusal?: AppError }>;
}

/** Counts requests per client, in windows that begin with a client's first request. */
export function createRateLimit(perMinute: number, limiters: Limiters): RateLimit {
  const limiter = limiters.limiter({ name: 'http', points: perMinute, seconds: RATE_WINDOW_SECONDS });
  // The structured form of the IETF's draft-ietf-httpapi-ratelimit-headers: quota and window, rest and time.
  const policy = `"default";q=${perMinute};w=${RATE_WINDOW_SECONDS}`;
  return {
    async count(client) {
      const count = await limiter.add(client);
      const rest = Math.max(0, perMinute - count.counted);
      const headers = {
        'ratelimit-policy': policy,
        ratelimit: `"default";r=${rest};t=${secondsLeft(count)}`,
      };
      return count.counted > perMinute ? { headers, refusal: rateLimited(secondsLeft(count)) } : { headers };
    },
  };
}

/** When whoever has reached a limit may come back: whole seconds, one at least. */
export function secondsLeft(count: Count): number {
  return Math.max(1, Math.ceil(count.msLeft / 1000));
}

/** The failure past any limit of requests or tries: 429 `rate_limited`, with when to come back. */
export function rateLimited(retryAfterSeconds: number): AppError {
  return new AppError('too_many', 'rate_limited', `too many requests; try again in ${retryAfterSeconds} s`, {
    retryAfterSeconds,
  });
}
