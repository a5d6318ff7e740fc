import type { ModuleContext } from '#platform/module';
import type { SignAccessToken } from './access-token.ts';
import { findCredentials } from './account-store.ts';
import { clientTag } from './client-tag.ts';
import type { GuessThrottle } from './guess-throttle.ts';
import { NOBODYS_HASH } from './password-hash.ts';
import type { Passwords } from './passwords.ts';
import { newRefreshToken } from './refresh-token.ts';
import { openSession, wasSignedInFrom } from './session-store.ts';
import { makeTokenPair, type TokenPair } from './token-pair.ts';
import { emailSchema, invalidCredentials } from './user.ts';

/**
 * Opens a session for whoever knows the password. Fails with `invalid_credentials` (unauthenticated), after the
 * same work for unknown addresses as for known ones, and with `rate_limited` (too_many) after many misses.
 */
export function createLogIn(
  { database, newId }: ModuleContext,
  parts: { passwords: Passwords; throttle: GuessThrottle; sign: SignAccessToken },
) {
  return async (wish: { email: string; password: string; clientAddress: string }): Promise<TokenPair> => {
    // What is no address at all takes the same way as one that nobody has.
    const email = emailSchema.safeParse(wish.email).data ?? '';
    const found = await findCredentials(database, { email });
    const client = clientTag(wish.clientAddress);
    const known = await parts.throttle({
      account: email,
      client,
      isFamiliar: async () => found !== undefined && (await wasSignedInFrom(database, found.userId, client)),
      check: async () => {
        const right = await parts.passwords.matches(found?.passwordHash ?? NOBODYS_HASH, wish.password);
        return right ? found : undefined;
      },
    });
    if (known === undefined) throw invalidCredentials();

    const { userId, role, passwordHash } = known;
    const refresh = newRefreshToken();
    const session = { id: newId(), userId, passwordHash, clientTag: client, tokenHash: refresh.hash };
    // Not opened: the password was changed, or the account erased, since we looked.
    if (!(await openSession(database, session))) throw invalidCredentials();
    return await makeTokenPair(parts.sign, { userId, role, sessionId: session.id }, refresh.token);
  };
}
