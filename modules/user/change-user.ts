import { requireFresh } from '#platform/http/idempotency';
import type { ModuleContext } from '#platform/module';
import { findUser, lockUser, refuseTaken, type StoredUser, updatePerson } from './account-store.ts';
import { userNotFound } from './user.ts';

/**
 * Changes what a user goes by. Fails with `not_found`, `precondition_failed` (stale), `email_taken` and
 * `username_taken` (conflict). A repeat changes nothing more.
 */
export function createChangeUser({ database }: ModuleContext) {
  return async (
    userId: string,
    change: { email?: string; username?: string },
    ifMatch: readonly string[] | undefined,
  ): Promise<StoredUser> =>
    await refuseTaken(() =>
      database.transaction(async (tx) => {
        const user = await lockUser(tx, userId);
        if (user === undefined) throw userNotFound();
        requireFresh(ifMatch, user.version);
        const { email = user.email, username = user.username } = change;
        if (email === user.email && username === user.username) return user;
        await updatePerson(tx, userId, { email, username });
        return (await findUser(tx, userId)) ?? user;
      }),
    );
}
