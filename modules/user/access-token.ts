import { decodeJwt, importJWK, SignJWT } from 'jose';
import { z } from 'zod';
import type { Database } from '#platform/database/database';
import type { Role } from '#platform/http/route';
import { findSigningKey } from './key-store.ts';
import { ACCESS_TOKEN_SECONDS } from './limits.ts';

/** Who a token speaks for; `sessionId` becomes the claim `sid`. */
export interface TokenSubject {
  readonly userId: string;
  readonly role: Role;
  readonly sessionId: string;
}

/** Signs an access token; `newId` and `now` give its `jti` and its times. */
export type SignAccessToken = (subject: TokenSubject) => Promise<string>;

/**
 * Access tokens are checked by processes that never see this database, so they carry the role, and a change of
 * it shows in the next one. The key is read each time: a rotation needs no restart and no message.
 */
export function createAccessTokens(options: {
  database: Database;
  issuer: string;
  audience: string;
  newId: () => string;
  now: () => Date;
}): SignAccessToken {
  return async ({ userId, role, sessionId }) => {
    const key = await findSigningKey(options.database);
    const issuedAt = Math.floor(options.now().getTime() / 1000);
    return await new SignJWT({ role, sid: sessionId })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: key.kid })
      .setIssuer(options.issuer)
      .setAudience(options.audience)
      .setSubject(userId)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ACCESS_TOKEN_SECONDS)
      .setJti(options.newId())
      .sign(await importJWK(key.privateJwk, 'EdDSA'));
  };
}

const sessionClaim = z.object({ sid: z.uuid() });

/** The session that a request's token came from. The edge has checked the token, so it is only read here. */
export function sessionOf(headers: Headers): string | null {
  const token = /^Bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  return token === undefined ? null : (sessionClaim.safeParse(decodeJwt(token)).data?.sid ?? null);
}
