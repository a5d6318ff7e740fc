import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { AppError } from '../errors.ts';
import { RATE_WINDOW_SECONDS } from '../limits.ts';

export interface RateLimit {
  /** Counts one request of `client`. `headers` belong on the answer; `refusal` is there past the limit. */
  count(client: string): Promise<{ headers: Record<string, string>; refusal?: AppError }>;
}

/** Counts requests per client in this process's memory, in windows that begin with a client's first request. */
export function createRateLimit(perMinute: number): RateLimit {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: RATE_WINDOW_SECONDS });
  // The structured form of the IETF's draft-ietf-httpapi-ratelimit-headers: quota and window, rest and time.
  const policy = `"default";q=${perMinute};w=${RATE_WINDOW_SECONDS}`;
  const headersOf = (state: RateLimiterRes) => ({
    'ratelimit-policy': policy,
    ratelimit: `"default";r=${state.remainingPoints};t=${secondsOf(state)}`,
  });
  return {
    async count(client) {
      try {
        return { headers: headersOf(await limiter.consume(client)) };
      } catch (state) {
        if (!(state instanceof RateLimiterRes)) throw state;
        return { headers: headersOf(state), refusal: rateLimited(secondsOf(state)) };
      }
    },
  };
}

function secondsOf(state: RateLimiterRes): number {
  return Math.max(1, Math.ceil(state.msBeforeNext / 1000));
}

/** The failure past any limit of requests or tries: 429 `rate_limited`, with when to come back. */
export function rateLimited(retryAfterSeconds: number): AppError {
  return new AppError('too_many', 'rate_limited', `too many requests; try again in ${retryAfterSeconds} s`, {
    retryAfterSeconds,
  });
}
