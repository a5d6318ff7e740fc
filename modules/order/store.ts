import { and, asc, desc, eq, gte, lt, type SQL, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime, jsonRows, textArray } from '#platform/database/sql';
import { invariant } from '#platform/errors';
import type { OrderEvent, OrderItem, OrderState, OrderStatus } from './order.ts';
import { event, orderAddress, orderView } from './schema.ts';
import { readStored, type StoredEvent } from './stored-event.ts';

/** One row of the read model; `total` in minor units of `currency`. */
export interface OrderRow {
  readonly id: string;
  readonly number: string;
  readonly userId: string;
  readonly status: OrderStatus;
  readonly currency: string;
  readonly items: readonly OrderItem[];
  readonly total: number;
  readonly reason: string | null;
  readonly trackingNumber: string | null;
  readonly paymentId: string | null;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A row as a customer sees it: with the address, unless it was never given or has been erased. */
export interface AddressedOrderRow extends OrderRow {
  readonly shippingAddress: Readonly<Record<string, string>> | null;
}

export interface RecordedEvent {
  readonly version: number;
  readonly type: string;
  readonly at: string;
  readonly data: unknown;
}

export interface OrderFilter {
  readonly userId?: string;
  readonly status?: OrderStatus;
  /** Created at or after. */
  readonly from?: string;
  /** Created before. */
  readonly to?: string;
}

const ROW = sql`v.id, v.number, v.user_id as "userId", v.status, v.currency, v.items, v.total, v.reason,
  v.tracking_number as "trackingNumber", v.payment_id as "paymentId", v.version,
  ${isoTime(sql`v.created_at`)} as "createdAt", ${isoTime(sql`v.updated_at`)} as "updatedAt"`;

const addressedRow = {
  id: orderView.id,
  number: orderView.number,
  userId: orderView.userId,
  status: orderView.status,
  currency: orderView.currency,
  items: orderView.items,
  total: orderView.total,
  reason: orderView.reason,
  trackingNumber: orderView.trackingNumber,
  paymentId: orderView.paymentId,
  version: orderView.version,
  createdAt: isoTime(orderView.createdAt),
  updatedAt: isoTime(orderView.updatedAt),
  shippingAddress: orderAddress.address,
};

/** The next `count` order numbers, as `B-100001`: short enough to say on the telephone. Gaps are harmless. */
export async function nextNumbers(from: Queryable, count: number): Promise<string[]> {
  const rows = await from.rows<{ number: number }>(sql`
    select nextval('orders.order_number') as number from generate_series(1, ${count}::int)`);
  return rows.map(({ number }) => `B-${number}`);
}

/** Writes a new order: its first events and its read model, in one statement. */
export async function insertOrder(
  tx: Transaction,
  orderId: string,
  events: readonly OrderEvent[],
  state: OrderState,
  items: readonly OrderItem[],
): Promise<OrderRow> {
  const [row] = await tx.rows<OrderRow>(sql`
    with appended as (${appended(orderId, 0, events)}),
    v as (
      insert into orders.order_view (id, number, user_id, status, currency, items, total, version,
        created_at, updated_at)
      select ${orderId}::uuid, ${state.number}, ${state.userId}::uuid, ${state.status}, ${state.currency},
        ${JSON.stringify(items)}::text::jsonb, ${state.total.amount}::bigint, ${state.version}::int,
        min(at), max(at)
      from appended
      returning *
    )
    select ${ROW} from v`);
  invariant(row, `order ${orderId} was written`);
  return row;
}

/**
 * Appends `events` to an order at version `state.version - events.length` and brings its read model to `state`,
 * in one statement. The caller holds the order's lock (`lockOrder`), so nobody else wrote these versions; a
 * caller that does not is stopped by the primary key of the log.
 */
export async function appendEvents(
  tx: Transaction,
  orderId: string,
  events: readonly OrderEvent[],
  state: OrderState,
): Promise<OrderRow> {
  const before = state.version - events.length;
  const [row] = await tx.rows<OrderRow>(sql`
    with appended as (${appended(orderId, before, events)})
    update orders.order_view v
    set status = ${state.status}, reason = ${state.reason}::text, tracking_number = ${state.trackingNumber}::text,
        payment_id = ${state.paymentId}::uuid, version = ${state.version}::int,
        updated_at = (select max(at) from appended)
    where v.id = ${orderId}::uuid and v.version = ${before}::int
    returning ${ROW}`);
  invariant(row, `the read model of order ${orderId} stands at version ${before}`);
  return row;
}

function appended(orderId: string, before: number, events: readonly OrderEvent[]): SQL {
  const rows = events.map(({ type, data }, index) => ({ version: before + index + 1, type, data }));
  return sql`
    insert into orders.event (stream, version, type, data)
    select ${orderId}::uuid, e.version, e.type, e.data
    from jsonb_to_recordset(${jsonRows(rows)}) as e(version int, type text, data jsonb)
    order by e.version
    returning at`;
}

/**
 * Locks an order until the transaction ends and returns its events, oldest first; none if it does not exist. The
 * items stay behind: no decision looks at them, and they may be 2,000 lines.
 */
export async function lockOrder(tx: Transaction, orderId: string): Promise<OrderEvent[]> {
  const [, rows] = await Promise.all([
    tx.rows(sql`select 1 from orders.order_view where id = ${orderId}::uuid for update`),
    // A statement of its own: it begins once the lock is held, so it sees what the lock waited for.
    tx.rows<StoredEvent>(sql`
      select type, data - 'items' as data from orders.event where stream = ${orderId}::uuid order by version`),
  ]);
  return rows.map((row) => readStored(row));
}

export async function findOrder(from: Queryable, orderId: string): Promise<AddressedOrderRow | undefined> {
  const [row] = await from.db
    .select(addressedRow)
    .from(orderView)
    .leftJoin(orderAddress, eq(orderAddress.orderId, orderView.id))
    .where(eq(orderView.id, orderId));
  return row;
}

/** These orders as they were bought, in any order, without their addresses; unknown ones are left out. */
export async function findOrders(from: Queryable, orderIds: readonly string[]): Promise<OrderRow[]> {
  return await from.rows<OrderRow>(
    sql`select ${ROW} from orders.order_view v where v.id = any(${textArray(orderIds)}::uuid[])`,
  );
}

/** Up to `limit` orders, newest first, after the order that `after` names by creation time and id. */
export async function listOrders(
  from: Queryable,
  filter: OrderFilter,
  after: readonly [createdAt: string, id: string] | undefined,
  limit: number,
): Promise<AddressedOrderRow[]> {
  return await from.db
    .select(addressedRow)
    .from(orderView)
    .leftJoin(orderAddress, eq(orderAddress.orderId, orderView.id))
    .where(
      and(
        filter.userId === undefined ? undefined : eq(orderView.userId, filter.userId),
        filter.status === undefined ? undefined : eq(orderView.status, filter.status),
        filter.from === undefined ? undefined : gte(orderView.createdAt, filter.from),
        filter.to === undefined ? undefined : lt(orderView.createdAt, filter.to),
        after &&
          sql`(${orderView.createdAt}, ${orderView.id}) < (${after[0]}::timestamptz, ${after[1]}::uuid)`,
      ),
    )
    .orderBy(desc(orderView.createdAt), desc(orderView.id))
    .limit(limit);
}

/** An order's whole history, oldest first. */
export async function readEvents(from: Queryable, orderId: string): Promise<RecordedEvent[]> {
  const rows = await from.db
    .select({ version: event.version, type: event.type, at: isoTime(event.at), data: event.data })
    .from(event)
    .where(eq(event.stream, orderId))
    .orderBy(asc(event.version));
  return rows.map((row) => readStored(row));
}

/** Orders that have waited for payment longer than `ageMs` and that no saga works on, oldest first. */
export async function findUnpaid(from: Queryable, ageMs: number, limit: number): Promise<string[]> {
  const rows = await from.rows<{ id: string }>(sql`
    select v.id from orders.order_view v
    where v.status = 'awaiting_payment' and v.created_at < now() - ${ageMs}::int * interval '1 millisecond'
      and not exists (select 1 from orders.saga s where s.subject = v.id and s.state <> 'done')
    order by v.created_at
    limit ${limit}`);
  return rows.map((row) => row.id);
}
