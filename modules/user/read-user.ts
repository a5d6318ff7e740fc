import type { ModuleContext } from '#platform/module';
import { findUser, type StoredUser } from './account-store.ts';
import { userNotFound } from './user.ts';

/** Fails with `not_found`, also for an erased user. */
export function createReadUser({ database }: ModuleContext) {
  return async (userId: string): Promise<StoredUser> => {
    const user = await findUser(database, userId);
    if (user === undefined) throw userNotFound();
    return user;
  };
}
