import { invariant } from '#platform/errors';
import type { ModuleContext } from '#platform/module';
import { findUser, insertUser, refuseTaken, type StoredUser } from './account-store.ts';
import type { Passwords } from './passwords.ts';

/**
 * Makes a customer's account. Fails with `email_taken` or `username_taken` (conflict). Trying again after an
 * unknown outcome is safe: it ends in `email_taken` when the first try did it.
 */
export function createRegisterUser({ database, newId }: ModuleContext, passwords: Passwords) {
  return async (wish: { email: string; username: string; password: string }): Promise<StoredUser> => {
    const { email, username } = wish;
    const passwordHash = await passwords.hash(wish.password);
    return await refuseTaken(() =>
      database.transaction(async (tx) => {
        const id = newId();
        await insertUser(tx, { id, email, username, role: 'customer', passwordHash });
        const user = await findUser(tx, id);
        invariant(user, 'a user that was just inserted is there');
        return user;
      }),
    );
  };
}
