import { z } from 'zod';
import type { Role } from '#platform/http/route';
import type { ModuleContext } from '#platform/module';
import { listUsers, type StoredUser } from './account-store.ts';

const positionSchema = z.tuple([z.uuid()]);

/** One page of users, newest first. Fails with `invalid_cursor` (invalid). */
export function createListUsers({ database, cursors }: ModuleContext) {
  return async (query: {
    email?: string;
    role?: Role;
    limit: number;
    cursor?: string;
  }): Promise<{ users: StoredUser[]; nextCursor: string | null }> => {
    const { email, role, limit, cursor } = query;
    const list = `users ${JSON.stringify([email, role])}`;
    const before = cursor === undefined ? undefined : positionSchema.parse(cursors.open(list, cursor))[0];
    // One more than asked for tells whether there is a next page.
    const found = await listUsers(database, { email, role, before, limit: limit + 1 });
    const users = found.slice(0, limit);
    const last = users.at(-1);
    return { users, nextCursor: found.length > limit && last ? cursors.seal(list, [last.id]) : null };
  };
}
