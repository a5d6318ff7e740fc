import { AppError } from '../errors.ts';
import { OVERLOAD_RETRY_SECONDS } from '../limits.ts';

/** Runs at most `limit` pieces of work at once; see `createRequestBound`. */
export type RequestBound = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Refuses work past `limit` with 503 `overloaded` at once, since a queue would only make everyone wait. It bounds
 * handlers and not the reading of bodies, so that slow clients take no place from others.
 */
export function createRequestBound(limit: number): RequestBound {
  let running = 0;
  return async (work) => {
    if (running >= limit) {
      throw new AppError('unavailable', 'overloaded', 'too many requests are being answered', {
        retryAfterSeconds: OVERLOAD_RETRY_SECONDS,
      });
    }
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
    }
  };
}
