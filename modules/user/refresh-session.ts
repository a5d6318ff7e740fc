import { AppError } from '#platform/errors';
import type { ModuleContext } from '#platform/module';
import type { SignAccessToken } from './access-token.ts';
import { hashRefreshToken, newRefreshToken } from './refresh-token.ts';
import { endSessionOfSpentToken, rotateToken } from './session-store.ts';
import { makeTokenPair, type TokenPair } from './token-pair.ts';

/**
 * Spends a refresh token for a new pair. A token that was spent before is in two hands, and we cannot tell whose
 * are the owner's: its whole session ends. Fails with `invalid_refresh_token` (unauthenticated). Not safe to
 * repeat: a client that lost the answer has to sign in again.
 */
export function createRefreshSession({ database, log }: ModuleContext, sign: SignAccessToken) {
  return async (token: string): Promise<TokenPair> => {
    const hash = hashRefreshToken(token);
    const next = newRefreshToken();
    const session = await rotateToken(database, { hash, nextHash: next.hash });
    if (session !== undefined) return await makeTokenPair(sign, session, next.token);

    const ended = await endSessionOfSpentToken(database, hash);
    if (ended !== undefined) log.warn({ sessionId: ended }, 'a spent refresh token came back: session ended');
    throw new AppError('unauthenticated', 'invalid_refresh_token', 'sign in again');
  };
}
