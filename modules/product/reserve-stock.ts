import type { Database } from '#platform/database/database';
import { AppError } from '#platform/errors';
import { insufficientStock, unknownSku } from './problems.ts';
import type { ProductsChanged } from './product-cache.ts';
import { lockReservation, openReservation, pin, unpin } from './reservation-store.ts';
import { refreshInStock, takeStock } from './stock-store.ts';

export interface NewReservation {
  readonly orderId: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly pinned: boolean;
  readonly expiresInMs: number;
}

/**
 * Reserves all lines of an order or none, once. `insufficient_stock`, `reservation_closed` (conflict),
 * `unknown_sku` (unprocessable). Safe to repeat: an order that holds its reservation gets it confirmed.
 */
export async function reserveStock(
  database: Database,
  changed: ProductsChanged,
  reservation: NewReservation,
): Promise<void> {
  await database.transaction(async (tx) => {
    const { existing } = await openReservation(tx, reservation);
    if (existing === 'open' || existing === 'sold') return;
    if (existing !== undefined) throw reservationClosed();
    const lines = await takeStock(tx, reservation.orderId, reservation.lines);
    const unknown = lines.filter((line) => line.productId === null);
    if (unknown.length > 0) throw unknownSku(unknown.map((line) => line.sku));
    const short = lines.filter((line) => line.available! < line.quantity);
    if (short.length > 0) {
      throw insufficientStock(
        short.map((line) => ({ sku: line.sku, requested: line.quantity, available: line.available! })),
      );
    }
    changed(
      tx,
      lines.map((line) => line.productId!),
    );
    const soldOut = lines.filter((line) => line.available === line.quantity);
    await refreshInStock(
      tx,
      soldOut.map((line) => line.productId!),
    );
  });
}

/** Keeps an order's open reservation from expiring. `reservation_closed` (conflict). Safe to repeat. */
export async function pinReservation(database: Database, orderId: string, by: string): Promise<void> {
  await database.transaction(async (tx) => {
    const state = await lockReservation(tx, orderId);
    if (state === 'sold') return;
    if (state !== 'open') throw reservationClosed();
    await pin(tx, orderId, by);
  });
}

/** Lets a reservation that `by` was the last to pin expire again, `expiresInMs` from now. Safe to repeat. */
export async function unpinReservation(
  database: Database,
  orderId: string,
  by: string,
  expiresInMs: number,
): Promise<void> {
  await database.transaction((tx) => unpin(tx, orderId, by, expiresInMs));
}

function reservationClosed(): AppError {
  return new AppError('conflict', 'reservation_closed', 'the order holds no reservation any more');
}
