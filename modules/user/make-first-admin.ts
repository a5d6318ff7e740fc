import { randomBytes } from 'node:crypto';
import type { ModuleContext } from '#platform/module';
import { hasAdmin, insertUser, lockFirstAdmin, refuseTaken } from './account-store.ts';
import type { Passwords } from './passwords.ts';
import { emailSchema } from './user.ts';

const DEFAULT_EMAIL = 'admin@banyan.local';
const NO_ADMIN = 'no admin yet: start once with ADMIN_EMAIL and ADMIN_PASSWORD to make the first one';

/**
 * Makes the first admin of a shop that has none, from the configuration or, on the embedded database without one
 * there, with a password made here. Returns the lines that tell it to the operator, who sees them this once. Safe in several starting
 * processes at a time. Fails with `email_taken` or `username_taken` when a customer has the admin's address or
 * the name `admin`.
 */
export async function makeFirstAdmin(
  { database, config, newId }: ModuleContext,
  passwords: Passwords,
): Promise<string[]> {
  if (await hasAdmin(database)) return [];
  // A password made here would stand in the log of one of many processes.
  if (config.admin === undefined && config.database !== undefined) return [NO_ADMIN];
  const password = config.admin?.password ?? randomBytes(12).toString('base64url');
  const email = emailSchema.parse(config.admin?.email ?? DEFAULT_EMAIL);
  const passwordHash = await passwords.hash(password);
  const made = await refuseTaken(() =>
    database.transaction(async (tx) => {
      await lockFirstAdmin(tx);
      if (await hasAdmin(tx)) return false;
      await insertUser(tx, { id: newId(), email, username: 'admin', role: 'admin', passwordHash });
      return true;
    }),
  );
  if (!made) return [];
  if (config.admin) return [`first admin: ${email}`];
  return [`first admin: ${email} with the password ${password} (shown this once; change it)`];
}
