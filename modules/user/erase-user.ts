import { requireFresh } from '#platform/http/idempotency';
import type { ModuleContext } from '#platform/module';
import { erasePerson, lockOtherAdmins, lockUser } from './account-store.ts';
import { userErased } from './events.ts';
import { eraseSessions } from './session-store.ts';
import { lastAdmin, userNotFound, userStream } from './user.ts';

/**
 * Deletes everything personal of a user for good and tells the other modules to do the same. Fails with
 * `not_found`, also for one who is erased already, `precondition_failed` (stale) and `last_admin` (conflict).
 */
export function createEraseUser({ database, outbox }: ModuleContext) {
  return async (userId: string, ifMatch: readonly string[] | undefined): Promise<void> => {
    await database.transaction(async (tx) => {
      const othersRemain = await lockOtherAdmins(tx, userId);
      const user = await lockUser(tx, userId);
      if (user === undefined) throw userNotFound();
      requireFresh(ifMatch, user.version);
      if (user.role === 'admin' && !othersRemain) throw lastAdmin();
      const version = await erasePerson(tx, userId);
      await eraseSessions(tx, userId);
      await outbox.append(tx, userErased, { stream: userStream(userId), version, data: { userId } });
    });
  };
}
