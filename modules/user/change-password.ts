import type { ModuleContext } from '#platform/module';
import { findCredentials, lockUser, replacePassword } from './account-store.ts';
import { clientTag } from './client-tag.ts';
import { userPasswordChanged } from './events.ts';
import type { GuessThrottle } from './guess-throttle.ts';
import type { Passwords } from './passwords.ts';
import { endOtherSessions } from './session-store.ts';
import { invalidCredentials, userNotFound, userStream } from './user.ts';

export interface PasswordChange {
  readonly userId: string;
  readonly currentPassword: string;
  readonly newPassword: string;
  /** The session that asks, and stays; null ends them all. */
  readonly sessionId: string | null;
  readonly clientAddress: string;
}

/**
 * Replaces the password and ends all other sessions. Fails with `invalid_credentials` (unauthenticated) when the
 * current one is wrong, `rate_limited` (too_many) after many misses, as a stolen access token would let somebody
 * guess, and `not_found`. A repeat fails, since the current password is another by then.
 */
export function createChangePassword(
  { database, outbox }: ModuleContext,
  parts: { passwords: Passwords; throttle: GuessThrottle },
) {
  return async (change: PasswordChange): Promise<void> => {
    const { userId } = change;
    const found = await findCredentials(database, { userId });
    if (found === undefined) throw userNotFound();
    const known = await parts.throttle({
      account: userId,
      client: clientTag(change.clientAddress),
      // Whoever asks holds a token of the account.
      isFamiliar: async () => true,
      check: async () =>
        (await parts.passwords.matches(found.passwordHash, change.currentPassword)) ? found : undefined,
    });
    if (known === undefined) throw invalidCredentials();

    const next = await parts.passwords.hash(change.newPassword);
    await database.transaction(async (tx) => {
      await lockUser(tx, userId);
      const version = await replacePassword(tx, userId, { old: known.passwordHash, next });
      if (version === undefined) throw invalidCredentials();
      // After the password's row is ours: a sign-in with the old one has either committed and is ended here, or
      // finds the new one.
      await endOtherSessions(tx, userId, change.sessionId);
      await outbox.append(tx, userPasswordChanged, { stream: userStream(userId), version, data: { userId } });
    });
  };
}
