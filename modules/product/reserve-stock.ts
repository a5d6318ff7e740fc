import { createBatch } from '#platform/batch';
import type { Database, Transaction } from '#platform/database/database';
import { AppError } from '#platform/errors';
import { type Allotment, type AllottedLine, allotStock } from './allot-stock.ts';
import { RESERVE_LANES, RESERVE_LINES } from './limits.ts';
import type { ProductsChanged } from './product-cache.ts';
import {
  dropReservations,
  lockReservation,
  type NewReservation,
  openReservations,
  pin,
  reservationStates,
  unpin,
} from './reservation-store.ts';
import { lockShelves, refreshInStock, takeStock } from './stock-store.ts';

/** What an order asks for. */
export interface StockRequest extends NewReservation {
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

/**
 * Reserves all lines of an order or none, once; what many orders ask for at one time is reserved together.
 * `insufficient_stock`, `reservation_closed` (conflict), `unknown_sku` (unprocessable). Safe to repeat: an order that
 * holds its reservation gets it confirmed.
 */
export function createReserve(
  database: Database,
  changed: ProductsChanged,
): (request: StockRequest) => Promise<void> {
  const reserve = createBatch<StockRequest, AppError | undefined>({
    run: (requests, isAlone) => reserveStock(database, changed, requests, { givesWay: !isAlone }),
    weigh: (request) => request.lines.length,
    max: RESERVE_LINES,
    lanes: RESERVE_LANES,
  });
  return async (request) => {
    const refusal = await reserve(request);
    if (refusal) throw refusal;
  };
}

/**
 * Reserves for many orders in one transaction, the first come first served: each gets all its lines or none. Returns
 * for each why it was refused, undefined when it was not. One order that comes twice is one, and so is its answer.
 */
export async function reserveStock(
  database: Database,
  changed: ProductsChanged,
  requests: readonly StockRequest[],
  options: { readonly givesWay?: boolean } = {},
): Promise<(AppError | undefined)[]> {
  const asked = new Map<string, StockRequest>();
  for (const request of requests) {
    const id = idOf(request);
    if (!asked.has(id)) asked.set(id, request);
  }
  const refusals = await database.transaction((tx) => reserveAll(tx, changed, asked), options);
  return requests.map((request) => refusals.get(idOf(request)));
}

async function reserveAll(
  tx: Transaction,
  changed: ProductsChanged,
  asked: ReadonlyMap<string, StockRequest>,
): Promise<Map<string, AppError>> {
  const requests = [...asked.values()];
  const skus = new Set(requests.flatMap(({ lines }) => lines.map((line) => line.sku)));
  // Sent together: the server locks the reservations before the shelves.
  const [opened, shelves] = await Promise.all([openReservations(tx, requests), lockShelves(tx, [...skus])]);
  const fresh = [...asked].filter(([id]) => opened.has(id));
  const known = [...asked.keys()].filter((id) => !opened.has(id));
  const allotments = allotStock(
    fresh.map(([, request]) => request.lines),
    shelves,
  );
  const refusals = refusalsOf(fresh, allotments);
  // Of an order that is alone nothing is kept when it is refused, so there is nothing to commit.
  if (asked.size === 1) for (const refusal of refusals.values()) throw refusal;
  if (refusals.size > 0) await dropReservations(tx, [...refusals.keys()]);
  await take(tx, changed, fresh, allotments);
  if (known.length > 0) {
    const states = await reservationStates(tx, known);
    for (const id of known) {
      const state = states.get(id);
      if (state !== 'open' && state !== 'sold') refusals.set(id, reservationClosed());
    }
  }
  return refusals;
}

type Asked = readonly [id: string, request: StockRequest];

function refusalsOf(asked: readonly Asked[], allotments: readonly Allotment[]): Map<string, AppError> {
  return new Map(
    asked.flatMap(([id], index) => {
      const { refusal } = allotments[index]!;
      return refusal ? [[id, refusal]] : [];
    }),
  );
}

async function take(
  tx: Transaction,
  changed: ProductsChanged,
  asked: readonly Asked[],
  allotments: readonly Allotment[],
): Promise<void> {
  const lines = asked.flatMap(([orderId], index) =>
    (allotments[index]!.lines ?? []).map((line): AllottedLine & { orderId: string } => ({
      ...line,
      orderId,
    })),
  );
  if (lines.length === 0) return;
  await takeStock(tx, lines);
  changed(
    tx,
    lines.map((line) => line.productId),
  );
  const soldOut = lines.filter((line) => line.left === 0);
  await refreshInStock(tx, [...new Set(soldOut.map((line) => line.productId))]);
}

/** UUIDs may come in capitals; Postgres gives them in small letters. */
function idOf(request: StockRequest): string {
  return request.orderId.toLowerCase();
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
