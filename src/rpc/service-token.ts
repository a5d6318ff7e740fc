import { errors, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import {
  SERVICE_TOKEN_CACHE,
  SERVICE_TOKEN_FRESH_MS,
  SERVICE_TOKEN_SECONDS,
  SERVICE_TOKEN_SKEW_SECONDS,
} from '../limits.ts';

/** Whom a process speaks for when it calls a module. */
export interface Caller {
  /** The user whose request led to the call, if one did. */
  readonly userId: string | undefined;
}

/**
 * The proof that a call comes from a process of this shop: a JWT by SERVICE_SECRET that is good for one module and a
 * minute. It names the user as well, so that nobody on the way can change for whom a call is made.
 */
export interface ServiceTokens {
  issue(module: string, caller: Caller): Promise<string>;
  /**
   * Who calls `module`. Fails with `unauthenticated` (401) without a token, `invalid_service_token` (401) for one
   * that does not hold, and `wrong_audience` (403) for one made for another module.
   */
  verify(module: string, token: string | undefined): Promise<Caller>;
}

/** Of a shop without a secret: no token can hold. */
export const noTokens: Pick<ServiceTokens, 'verify'> = {
  async verify() {
    throw new AppError(
      'unauthenticated',
      'unauthenticated',
      'this process takes no calls: it has no SERVICE_SECRET',
    );
  },
};

const ISSUER = 'banyan';
const TYPE = 'service+jwt';
const ALGORITHM = 'HS256';
const claims = z.object({ sub: z.uuid().optional() });

/** Signs by `secret`, and takes what was signed by it or by `accepted`: so a secret is changed without a stop. */
export function createServiceTokens(secret: string, accepted?: string): ServiceTokens {
  const key = keyOf(secret);
  const other = accepted === undefined ? undefined : keyOf(accepted);
  // Signing and checking cost more than all else in a call, and a busy user's calls follow each other closely.
  const issued = new LRUCache<string, string>({ max: SERVICE_TOKEN_CACHE, ttl: SERVICE_TOKEN_FRESH_MS });
  const verified = new LRUCache<string, Caller>({ max: SERVICE_TOKEN_CACHE, ttl: SERVICE_TOKEN_FRESH_MS });

  async function check(module: string, token: string): Promise<Caller> {
    const options = {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: module,
      typ: TYPE,
      requiredClaims: ['exp'],
      clockTolerance: SERVICE_TOKEN_SKEW_SECONDS,
    };
    const { payload } = await jwtVerify(token, key, options).catch(async (error: unknown) => {
      if (other === undefined || !(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      return await jwtVerify(token, other, options);
    });
    return { userId: claims.parse(payload).sub };
  }

  return {
    async issue(module, { userId }) {
      const cacheKey = `${module} ${userId ?? ''}`;
      const known = issued.get(cacheKey);
      if (known !== undefined) return known;
      const unsigned = new SignJWT()
        .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
        .setIssuer(ISSUER)
        .setAudience(module)
        .setIssuedAt()
        .setExpirationTime(`${SERVICE_TOKEN_SECONDS}s`);
      if (userId !== undefined) unsigned.setSubject(userId);
      const token = await unsigned.sign(key);
      issued.set(cacheKey, token);
      return token;
    },
    async verify(module, token) {
      if (token === undefined) {
        throw new AppError(
          'unauthenticated',
          'unauthenticated',
          'calls between processes need a service token',
        );
      }
      const cacheKey = `${module} ${token}`;
      const known = verified.get(cacheKey);
      if (known !== undefined) return known;
      try {
        const caller = await check(module, token);
        verified.set(cacheKey, caller);
        return caller;
      } catch (error) {
        if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') {
          throw new AppError('forbidden', 'wrong_audience', `this token is not for module ${module}`);
        }
        if (error instanceof errors.JOSEError || error instanceof z.ZodError) {
          throw new AppError('unauthenticated', 'invalid_service_token', 'the service token does not hold', {
            cause: error,
          });
        }
        throw error;
      }
    },
  };
}

function keyOf(secret: string): Uint8Array {
  return new TextEncoder().encode(secret);
}
