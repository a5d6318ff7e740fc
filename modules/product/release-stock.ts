import type { Database, Transaction } from '#platform/database/database';
import { EXPIRY_BATCH } from './limits.ts';
import type { ProductsChanged } from './product-cache.ts';
import { closeExpired, markReleased, setReservationState } from './reservation-store.ts';
import { type FreedProduct, freeReserved, refreshInStock, returnSold } from './stock-store.ts';

/**
 * Gives an order's stock back exactly once: what is reserved becomes available, what is sold returns to the
 * shelf. An order never seen leaves a mark that refuses a late reserve. Safe to repeat.
 */
export async function releaseStock(
  database: Database,
  changed: ProductsChanged,
  orderId: string,
): Promise<void> {
  await database.transaction(async (tx) => {
    const { existing } = await markReleased(tx, orderId);
    if (existing === 'open') {
      await setReservationState(tx, orderId, 'released');
      await show(tx, changed, await freeReserved(tx, [orderId]));
    } else if (existing === 'sold') {
      await setReservationState(tx, orderId, 'returned');
      await show(tx, changed, await returnSold(tx, orderId));
    }
  });
}

/**
 * Gives back the stock of reservations that are past their time, in batches until none is left. Several
 * processes may do so at once. Returns how many it closed.
 */
export async function expireReservations(database: Database, changed: ProductsChanged): Promise<number> {
  let expired = 0;
  for (;;) {
    const closed = await database.transaction(async (tx) => {
      const orderIds = await closeExpired(tx, EXPIRY_BATCH);
      if (orderIds.length > 0) await show(tx, changed, await freeReserved(tx, orderIds));
      return orderIds.length;
    });
    expired += closed;
    if (closed < EXPIRY_BATCH) return expired;
  }
}

/** Lets readers and lists see what has become available. */
async function show(
  tx: Transaction,
  changed: ProductsChanged,
  freed: readonly FreedProduct[],
): Promise<void> {
  changed(
    tx,
    freed.map((product) => product.id),
  );
  const back = freed.filter((product) => product.back);
  await refreshInStock(
    tx,
    back.map((product) => product.id),
  );
}
