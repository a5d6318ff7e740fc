import type { Database } from '#platform/database/database';
import { BATCH } from './limits.ts';
import { fold, type OrderEvent } from './order.ts';
import { lockStreams, readStreamIds, writeViews } from './rebuild-store.ts';

/**
 * Writes the read model of every order anew from the log, and returns how many there were. Safe on a running shop
 * and safe to repeat: each batch is one transaction that holds its orders, so no command slips in between.
 */
export async function rebuildReadModel(database: Database): Promise<number> {
  let count = 0;
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const ids = await readStreamIds(database, after, BATCH);
    const last = ids.at(-1);
    if (last === undefined) return count;
    after = last;
    count += ids.length;
    await database.transaction(async (tx) => {
      const streams = new Map<string, OrderEvent[]>(ids.map((id) => [id, []]));
      for (const { stream, ...event } of await lockStreams(tx, ids)) streams.get(stream)?.push(event);
      await writeViews(
        tx,
        [...streams].map(([id, events]) => ({ id, ...fold(events) })),
      );
    });
  }
}
