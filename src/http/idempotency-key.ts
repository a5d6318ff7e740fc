import { createHash } from 'node:crypto';
import { AppError } from '../errors.ts';
import { IDEMPOTENCY_KEY_LENGTH } from '../limits.ts';
import type { IdempotencyClaim } from './idempotency.ts';
import { invalidRequest } from './problem.ts';
import type { RouteSpec } from './route.ts';

const KEY = new RegExp(`^[\\x20-\\x7e]{1,${IDEMPOTENCY_KEY_LENGTH}}$`);

/** What `Idempotency-Key` means on a route. */
export function keyUse(spec: RouteSpec): 'required' | 'honoured' | 'ignored' {
  // A stream is handed on unread, so there is no telling whether a repeat's body is the same.
  if (spec.rawBody?.as === 'stream' || spec.access === 'anyone') return 'ignored';
  return spec.idempotency ?? (spec.method === 'post' ? 'honoured' : 'ignored');
}

/** The key of a request, or undefined. 400 when it is malformed, or missing where the route needs one. */
export function readKey(spec: RouteSpec, headers: Headers): string | undefined {
  const use = keyUse(spec);
  const key = headers.get('idempotency-key');
  if (use === 'ignored') return undefined;
  if (use === 'required' && !key) {
    throw new AppError('invalid', 'idempotency_key_missing', 'send an Idempotency-Key of your choice', {
      extra: { errors: [{ path: 'Idempotency-Key', message: 'is missing' }] },
    });
  }
  if (key === null) return undefined;
  if (KEY.test(key)) return key;
  throw invalidRequest([
    { path: 'Idempotency-Key', message: `must be 1 to ${IDEMPOTENCY_KEY_LENGTH} printable ASCII characters` },
  ]);
}

/** Binds the key to the concrete path and the body's bytes. */
export function claimOf(
  request: { route: string; path: string; userId: string; key: string },
  bytes: Uint8Array | undefined,
): IdempotencyClaim {
  const { route, path, userId, key } = request;
  const hash = createHash('sha256').update(path).update('\n');
  return { userId, route, key, fingerprint: hash.update(bytes ?? '').digest('hex') };
}
