import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { ACCESS_TOKEN_CACHE } from '../limits.ts';
import type { Principal } from './route.ts';
import type { VerificationKeys } from './verification-keys.ts';

/** Tells who holds the token of an `Authorization` header; see `createAuthenticator`. */
export type Authenticator = (authorization: string | null) => Promise<Principal>;

const claims = z.object({ sub: z.uuid(), role: z.enum(['customer', 'staff', 'admin']), exp: z.number() });

/** Header members by which a token brings its own key. We never follow them, and nobody honest sends them. */
const OWN_KEY = ['jku', 'jwk', 'x5u', 'x5c'];

/** What was found of a token, once and for as long as it holds. */
interface Verified {
  readonly principal: Principal;
  /** The keys it was verified with: newer ones may not have its own any more. */
  readonly by: JWTVerifyGetKey;
  /** In seconds since 1970, as in the token. */
  readonly expiresAt: number;
}

/**
 * Checks access tokens: signature by a key of ours, EdDSA and nothing else, type, issuer, audience and expiry. One that
 * comes again is known until it expires or the keys have been read anew, since a signature takes longer to verify
 * than a short request to answer.
 *
 * Fails with `unauthenticated` (401) without a token, `invalid_token` (401) for one that does not hold, and
 * `keys_unavailable` (503) while there are no keys to check with.
 */
export function createAuthenticator(
  keys: VerificationKeys,
  expected: { issuer: string; audience: string },
): Authenticator {
  async function verify(token: string, getKey: JWTVerifyGetKey): Promise<JWTPayload> {
    const { payload, protectedHeader } = await jwtVerify(token, getKey, {
      ...expected,
      algorithms: ['EdDSA'],
      typ: 'at+jwt',
      requiredClaims: ['exp', 'sub'],
    });
    if (OWN_KEY.some((member) => member in protectedHeader)) throw invalidToken();
    return payload;
  }

  const verified = new LRUCache<string, Verified>({ max: ACCESS_TOKEN_CACHE });

  async function check(token: string, by: JWTVerifyGetKey): Promise<Principal> {
    const { sub, role, exp } = claims.parse(await verify(token, by));
    const principal = { userId: sub, role };
    verified.set(token, { principal, by, expiresAt: exp });
    return principal;
  }

  async function checkWithNewest(token: string): Promise<Principal> {
    const current = await keys.current();
    const known = verified.get(token);
    // As jose compares: a token is good until the second in which it expires.
    if (known?.by === current && known.expiresAt > Math.floor(Date.now() / 1000)) return known.principal;
    try {
      return await check(token, current);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await keys.afterUnknown(current);
      if (newer === undefined) throw error;
      return await check(token, newer);
    }
  }

  return async (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new AppError('unauthenticated', 'unauthenticated', 'send an access token');
    try {
      return await checkWithNewest(token);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof z.ZodError) throw invalidToken(error);
      throw error;
    }
  };
}

function invalidToken(cause?: unknown): AppError {
  return new AppError('unauthenticated', 'invalid_token', 'the access token is not valid, or no longer', {
    cause,
  });
}
