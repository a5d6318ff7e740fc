import { defineModule } from '#platform/module';
import { findUsers } from './account-store.ts';
import { userContract } from './contract.ts';
import { createHandlers } from './handlers.ts';
import { deleteRetiredKeys, insertFirstKey, insertNextKey } from './key-store.ts';
import { CLEAN_UP_MS, HASH_QUEUE, HASHES_AT_ONCE } from './limits.ts';
import { makeFirstAdmin } from './make-first-admin.ts';
import { createPasswords } from './passwords.ts';
import { userRoutes } from './routes.ts';
import { deleteOldSessions } from './session-store.ts';
import { FIRST_ROTATION, generateSigningKey } from './signing-keys.ts';
import { createUseCases } from './use-cases.ts';

export const userModule = defineModule({
  contract: userContract,
  schema: 'users',
  needs: {},
  routes: userRoutes,
  create(context) {
    const { database } = context;
    const passwords = createPasswords({ atOnce: HASHES_AT_ONCE, queue: HASH_QUEUE });
    const use = createUseCases(context, passwords, () => new Date());
    let notices: readonly string[] = [];
    return {
      api: {
        jwks: async () => ({ keys: await use.readKeys() }),
        profiles: async ({ ids }) => ({ users: await findUsers(database, ids) }),
        rotateKeys: async ({ rotationId }) =>
          await insertNextKey(database, rotationId, await generateSigningKey()),
      },
      handlers: createHandlers(use),
      schedules: [
        { name: 'delete-old-sessions', everyMs: CLEAN_UP_MS, run: () => deleteOldSessions(database) },
        { name: 'delete-retired-keys', everyMs: CLEAN_UP_MS, run: () => deleteRetiredKeys(database) },
      ],
      notices: () => notices,
      async start() {
        await insertFirstKey(database, FIRST_ROTATION, await generateSigningKey());
        notices = await makeFirstAdmin(context, passwords);
      },
    };
  },
});
