import { BEFORE_ALL_IDS } from '#platform/database/sql';
import type { Implementation } from '#platform/rpc/contract';
import type { orderContract } from './contract.ts';
import { BATCH } from './limits.ts';
import { fold, type OrderEvent } from './order.ts';
import type { OrderContext } from './order-context.ts';
import { lockStreams, readStreamIds, writeViews } from './rebuild-store.ts';

/** The contract's `rebuild`. The batch is one transaction that holds its orders, so no command slips in between. */
export function createRebuild({ database }: OrderContext): Implementation<typeof orderContract>['rebuild'] {
  return async ({ after }) => {
    const ids = await readStreamIds(database, after ?? BEFORE_ALL_IDS, BATCH);
    await database.transaction(async (tx) => {
      const streams = new Map<string, OrderEvent[]>(ids.map((id) => [id, []]));
      for (const { stream, ...event } of await lockStreams(tx, ids)) streams.get(stream)?.push(event);
      await writeViews(
        tx,
        [...streams].map(([id, events]) => ({ id, ...fold(events) })),
      );
    });
    return { count: ids.length, last: ids.at(-1) ?? null };
  };
}
