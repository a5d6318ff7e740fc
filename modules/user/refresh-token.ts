import { createHash, randomBytes } from 'node:crypto';
import { REFRESH_TOKEN_BYTES } from './limits.ts';

/** A new refresh token for the client, and its hash, which is all that is stored. */
export function newRefreshToken(): { token: string; hash: string } {
  const token = randomBytes(REFRESH_TOKEN_BYTES).toString('base64url');
  return { token, hash: hashRefreshToken(token) };
}

/** Plain SHA-256 is enough: the token's 256 random bits leave nothing to guess. */
export function hashRefreshToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
