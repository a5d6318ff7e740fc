import type { ModuleContext } from '#platform/module';
import { hashRefreshToken } from './refresh-token.ts';
import { endSession } from './session-store.ts';

/** Ends the session of one of the user's refresh tokens; an unknown or somebody else's changes nothing. */
export function createLogOut({ database }: ModuleContext) {
  return async (userId: string, refreshToken: string): Promise<void> => {
    await endSession(database, userId, hashRefreshToken(refreshToken));
  };
}
