import { sql } from 'drizzle-orm';
import type { Queryable } from '#platform/database/database';
import { BEFORE_ALL_IDS, isoTime } from '#platform/database/sql';

export interface StockFigures {
  readonly variantId: string;
  readonly sku: string;
  readonly initial: number;
  readonly onHand: number;
  readonly reserved: number;
  /** Sum of the ledger. */
  readonly moved: number;
  /** Sum of the lines of open reservations. */
  readonly open: number;
}

/** The figures of up to `limit` variants behind `after` in id order, all as of one moment. */
export async function stockFigures(
  queryable: Queryable,
  after: string | undefined,
  limit: number,
): Promise<StockFigures[]> {
  return await queryable.rows<StockFigures>(sql`
    with batch as (
      select s.* from products.stock s
      where s.variant_id > ${after ?? BEFORE_ALL_IDS}::uuid
      order by s.variant_id
      limit ${limit}::int
    ), moved as (
      select e.variant_id, sum(e.delta) as delta
      from batch b join products.stock_entry e on e.variant_id = b.variant_id
      group by e.variant_id
    ), open as (
      select l.variant_id, sum(l.quantity) as quantity
      from products.reservation r
      join products.reservation_line l on l.order_id = r.order_id
      join batch b on b.variant_id = l.variant_id
      where r.state = 'open'
      group by l.variant_id
    )
    select b.variant_id as "variantId", v.sku, b.initial, b.on_hand as "onHand", b.reserved,
      coalesce(m.delta, 0)::bigint as moved, coalesce(o.quantity, 0)::bigint as open
    from batch b
    join products.variant v on v.id = b.variant_id
    left join moved m on m.variant_id = b.variant_id
    left join open o on o.variant_id = b.variant_id
    order by b.variant_id`);
}

export interface OverdueReservation {
  readonly orderId: string;
  readonly expiresAt: string;
}

/** Up to `limit` open, unpinned reservations behind `after` in order id, more than the grace past their expiry. */
export async function overdueReservations(
  queryable: Queryable,
  graceSeconds: number,
  after: string | undefined,
  limit: number,
): Promise<OverdueReservation[]> {
  return await queryable.rows<OverdueReservation>(sql`
    select order_id as "orderId", ${isoTime(sql`expires_at`)} as "expiresAt"
    from products.reservation
    where state = 'open' and not pinned
      and expires_at < now() - ${graceSeconds}::int * interval '1 second'
      and order_id > ${after ?? BEFORE_ALL_IDS}::uuid
    order by order_id
    limit ${limit}::int`);
}
