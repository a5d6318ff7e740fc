import { requireFresh } from '#platform/http/idempotency';
import type { Role } from '#platform/http/route';
import type { ModuleContext } from '#platform/module';
import { findUser, lockOtherAdmins, lockUser, type StoredUser, updateRole } from './account-store.ts';
import { lastAdmin, userNotFound } from './user.ts';

/**
 * Gives a user another role, which shows in the access tokens made from then on. Fails with `not_found`,
 * `precondition_failed` (stale) and `last_admin` (conflict). A repeat changes nothing more.
 */
export function createSetRole({ database }: ModuleContext) {
  return async (userId: string, role: Role, ifMatch: readonly string[] | undefined): Promise<StoredUser> =>
    await database.transaction(async (tx) => {
      // Admins first, in one order, so that two who demote each other do not wait for each other.
      const othersRemain = await lockOtherAdmins(tx, userId);
      const user = await lockUser(tx, userId);
      if (user === undefined) throw userNotFound();
      requireFresh(ifMatch, user.version);
      if (user.role === role) return user;
      if (user.role === 'admin' && !othersRemain) throw lastAdmin();
      await updateRole(tx, userId, role);
      return (await findUser(tx, userId)) ?? user;
    });
}
