import type { userErased } from '#modules/user/events';
import type { DataOf } from '#platform/events/event';
import type { EventHandler } from '#platform/events/inbox';
import { eraseAddresses } from './personal-store.ts';

/** The orders stay, as the trade's record; the addresses beside them go. */
export function createOnUserErased(): EventHandler<DataOf<typeof userErased>> {
  return async (event, once) => {
    await once((tx) => eraseAddresses(tx, event.data.userId));
  };
}
