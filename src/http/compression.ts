import type { MiddlewareHandler } from 'hono';
import { compress } from 'hono/compress';
import { COMPRESS_BYTES } from '../limits.ts';
import type { HttpEnv } from './http-env.ts';

/** Compresses answers for clients that ask for it, but for those that `respond` has marked as not to be compressed. */
export function compression(): MiddlewareHandler<HttpEnv> {
  const compressed = compress({ threshold: COMPRESS_BYTES });
  return async (c, next) => {
    await next();
    if (!c.get('isUncompressed')) await compressed(c, async () => undefined);
  };
}
