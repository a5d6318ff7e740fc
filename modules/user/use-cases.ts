import type { ModuleContext } from '#platform/module';
import { createAccessTokens } from './access-token.ts';
import { createChangePassword } from './change-password.ts';
import { createChangeUser } from './change-user.ts';
import { createEraseUser } from './erase-user.ts';
import { createGuessThrottle } from './guess-throttle.ts';
import { createListUsers } from './list-users.ts';
import { createLogIn } from './log-in.ts';
import { createLogOut } from './log-out.ts';
import type { Passwords } from './passwords.ts';
import { createReadKeys } from './read-keys.ts';
import { createReadUser } from './read-user.ts';
import { createRefreshSession } from './refresh-session.ts';
import { createRegisterUser } from './register-user.ts';
import { createSetRole } from './set-role.ts';

export type UseCases = ReturnType<typeof createUseCases>;

/** Everything that can be asked of this module, around one context. `now` times access tokens. */
export function createUseCases(context: ModuleContext, passwords: Passwords, now: () => Date) {
  const { database, newId } = context;
  const throttle = createGuessThrottle(context.limiters);
  const sign = createAccessTokens({ ...context.config.token, database, newId, now });
  return {
    registerUser: createRegisterUser(context, passwords),
    logIn: createLogIn(context, { passwords, throttle, sign }),
    refreshSession: createRefreshSession(context, sign),
    logOut: createLogOut(context),
    changePassword: createChangePassword(context, { passwords, throttle }),
    readUser: createReadUser(context),
    listUsers: createListUsers(context),
    changeUser: createChangeUser(context),
    eraseUser: createEraseUser(context),
    setRole: createSetRole(context),
    readKeys: createReadKeys(context),
  };
}
