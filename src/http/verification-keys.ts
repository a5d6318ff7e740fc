import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import { AppError } from '../errors.ts';
import { KEYS_FRESH_MS, KEYS_REFRESH_MS, KEYS_STALE_MS } from '../limits.ts';

/** A JSON Web Key Set as the user module publishes it. */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

export interface VerificationKeys {
  /** The keys, at most KEYS_STALE_MS old; 503 `keys_unavailable` when there are none. */
  current(): Promise<JWTVerifyGetKey>;
  /** Newer keys after a token named one that is not among `tried`; undefined when we looked a moment ago. */
  afterUnknown(tried: JWTVerifyGetKey): Promise<JWTVerifyGetKey | undefined>;
}

/** Keeps the keys that `fetch` gives. `now` is monotonic, in milliseconds. */
export function createVerificationKeys(fetch: () => Promise<KeySet>, now: () => number): VerificationKeys {
  let known: { keys: JWTVerifyGetKey; at: number } | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  async function read(): Promise<void> {
    triedAt = now();
    const set = await fetch();
    if (set.keys.length === 0) throw new Error('the key set is empty');
    known = { keys: createLocalJWKSet({ keys: [...set.keys] as { kty: string }[] }), at: now() };
  }

  /** One fetch at a time; whoever comes meanwhile awaits the same. */
  function refresh(): Promise<void> {
    fetching ??= read().finally(() => {
      fetching = undefined;
    });
    return fetching;
  }

  return {
    async current() {
      if (known && now() - known.at < KEYS_FRESH_MS) return known.keys;
      const mayTry = known === undefined || now() - triedAt >= KEYS_REFRESH_MS;
      const trying = mayTry ? refresh().catch((error: unknown) => error) : undefined;
      // Nobody waits for newer ones while these serve: who has them may be in another process, and take its time.
      if (known && now() - known.at < KEYS_STALE_MS) return known.keys;
      const failure = await trying;
      if (known && now() - known.at < KEYS_STALE_MS) return known.keys;
      throw new AppError('unavailable', 'keys_unavailable', 'tokens can not be checked at the moment', {
        retryAfterSeconds: 1,
        cause: failure,
      });
    },
    async afterUnknown(tried) {
      if (known && known.keys !== tried) return known.keys;
      if (now() - triedAt < KEYS_REFRESH_MS && !fetching) return undefined;
      // Whatever goes wrong, the keys at hand have already been tried.
      await refresh().catch(() => undefined);
      return known?.keys;
    },
  };
}
