import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { Principal } from './route.ts';
import type { VerificationKeys } from './verification-keys.ts';

/** Tells who holds the token of an `Authorization` header; see `createAuthenticator`. */
export type Authenticator = (authorization: string | null) => Promise<Principal>;

const claims = z.object({ sub: z.uuid(), role: z.enum(['customer', 'staff', 'admin']) });

/** Header members by which a token brings its own key. We never follow them, and nobody honest sends them. */
const OWN_KEY = ['jku', 'jwk', 'x5u', 'x5c'];

/**
 * Checks access tokens: signature by a key of ours, EdDSA and nothing else, type, issuer, audience and expiry.
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

  async function verifyWithNewest(token: string): Promise<JWTPayload> {
    const known = await keys.current();
    try {
      return await verify(token, known);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await keys.afterUnknown(known);
      if (newer === undefined) throw error;
      return await verify(token, newer);
    }
  }

  return async (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new AppError('unauthenticated', 'unauthenticated', 'send an access token');
    try {
      const { sub, role } = claims.parse(await verifyWithNewest(token));
      return { userId: sub, role };
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
