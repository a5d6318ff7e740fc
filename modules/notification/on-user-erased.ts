import type { userErased } from '#modules/user/events';
import type { DataOf } from '#platform/events/event';
import type { EventHandler } from '#platform/events/inbox';
import { dropMailTo } from './store.ts';

/** Nobody is left to write to. Mail in progress finds no recipient any more. */
export function createOnUserErased(): EventHandler<DataOf<typeof userErased>> {
  return async (event, once) => {
    await once((tx) => dropMailTo(tx, event.data.userId));
  };
}
