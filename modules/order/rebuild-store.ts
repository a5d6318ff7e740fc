import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '#platform/database/database';
import { jsonRows, textArray } from '#platform/database/sql';
import type { OrderEvent, OrderState } from './order.ts';
import { readStored, type StoredEvent } from './stored-event.ts';

/** The next order ids of the log. */
export async function readStreamIds(database: Database, afterId: string, limit: number): Promise<string[]> {
  const rows = await database.rows<{ stream: string }>(sql`
    select distinct stream from orders.event where stream > ${afterId}::uuid order by stream limit ${limit}`);
  return rows.map((row) => row.stream);
}

/** Locks these orders until the transaction ends and returns their events without items, in order. */
export async function lockStreams(
  tx: Transaction,
  ids: readonly string[],
): Promise<(OrderEvent & { readonly stream: string })[]> {
  // Locked in one order, so that two rebuilds wait for each other instead of deadlocking.
  await tx.rows(sql`
    select 1 from orders.order_view where id = any(${textArray(ids)}::uuid[]) order by id for update`);
  const rows = await tx.rows<StoredEvent & { stream: string }>(sql`
    select stream, type, data - 'items' as data from orders.event
    where stream = any(${textArray(ids)}::uuid[])
    order by stream, version`);
  return rows.map((row) => readStored(row));
}

/** Writes the read models of these states, with items and times taken from the log, in one statement. */
export async function writeViews(
  tx: Transaction,
  states: readonly (OrderState & { readonly id: string })[],
): Promise<void> {
  const rows = states.map(({ total, ...state }) => ({ ...state, total: total.amount }));
  await tx.rows(sql`
    insert into orders.order_view (id, number, user_id, status, currency, items, total, reason, tracking_number,
      payment_id, version, created_at, updated_at)
    select r.id, r.number, r."userId", r.status, r.currency, first.data -> 'items', r.total, r.reason,
      r."trackingNumber", r."paymentId", r.version, first.at, last.at
    from jsonb_to_recordset(${jsonRows(rows)}) as r(id uuid, number text, "userId" uuid, status text,
      currency text, total bigint, reason text, "trackingNumber" text, "paymentId" uuid, version int)
    join orders.event first on first.stream = r.id and first.version = 1
    join orders.event last on last.stream = r.id and last.version = r.version
    on conflict (id) do update
    set number = excluded.number, user_id = excluded.user_id, status = excluded.status,
        currency = excluded.currency, items = excluded.items, total = excluded.total, reason = excluded.reason,
        tracking_number = excluded.tracking_number, payment_id = excluded.payment_id,
        version = excluded.version, created_at = excluded.created_at, updated_at = excluded.updated_at`);
}
