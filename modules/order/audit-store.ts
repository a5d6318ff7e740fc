import { sql } from 'drizzle-orm';
import type { Database } from '#platform/database/database';
import type { OrderStatus } from './order.ts';

/** What the audit compares with the order's payments. `total` in minor units. */
export interface AuditedOrder {
  readonly id: string;
  readonly number: string;
  readonly status: OrderStatus;
  readonly currency: string;
  readonly total: number;
}

const SETTLED = sql`not exists (select 1 from orders.saga s where s.subject = v.id and s.state <> 'done')`;

/** The next orders by id that no saga works on. */
export async function readSettledOrders(
  database: Database,
  afterId: string,
  limit: number,
): Promise<AuditedOrder[]> {
  return await database.rows<AuditedOrder>(sql`
    select v.id, v.number, v.status, v.currency, v.total from orders.order_view v
    where v.id > ${afterId}::uuid and ${SETTLED}
    order by v.id limit ${limit}`);
}

export interface StuckOrder {
  readonly id: string;
  readonly detail: string;
}

/** Orders that nothing moves on any more, or that have not moved for too long; up to `limit`. */
export async function readStuckOrders(
  database: Database,
  graceMs: { readonly saga: number; readonly unpaid: number },
  limit: number,
): Promise<StuckOrder[]> {
  const ago = (ms: number) => sql`now() - ${ms}::int * interval '1 millisecond'`;
  return await database.rows<StuckOrder>(sql`
    select s.subject as id, 'saga ' || s.name || ' is ' || s.state || ' past its deadline' as detail
    from orders.saga s where s.state <> 'done' and s.deadline_at < ${ago(graceMs.saga)}
    union all
    select v.id, 'is pending and no saga works on it'
    from orders.order_view v
    where v.status = 'pending' and v.updated_at < ${ago(graceMs.saga)} and ${SETTLED}
    union all
    select v.id, 'still awaits payment though its time has run out'
    from orders.order_view v
    where v.status = 'awaiting_payment' and v.created_at < ${ago(graceMs.unpaid)} and ${SETTLED}
    limit ${limit}`);
}

export interface StreamSummary {
  readonly stream: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** The read model's version; null when it is missing. */
  readonly viewed: number | null;
}

/** The next streams of the log by id, each with its read model's version, in one snapshot. */
export async function readStreams(
  database: Database,
  afterId: string,
  limit: number,
): Promise<StreamSummary[]> {
  return await database.rows<StreamSummary>(sql`
    select e.stream, e.first, e.last, e.count, v.version as viewed
    from (
      select stream, min(version) as first, max(version) as last, count(*)::int as count
      from orders.event where stream > ${afterId}::uuid
      group by stream order by stream limit ${limit}) as e
    left join orders.order_view v on v.id = e.stream
    order by e.stream`);
}

/** Read models that no event explains; up to `limit`. */
export async function readUnloggedOrders(database: Database, limit: number): Promise<string[]> {
  const rows = await database.rows<{ id: string }>(sql`
    select v.id from orders.order_view v
    where not exists (select 1 from orders.event e where e.stream = v.id)
    limit ${limit}`);
  return rows.map((row) => row.id);
}
