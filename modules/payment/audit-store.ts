import { sql } from 'drizzle-orm';
import type { Queryable } from '#platform/database/database';
import { textArray } from '#platform/database/sql';
import type { PaymentRow } from './payment.ts';

/** A payment with what the audit holds against it. */
export type AuditedPayment = Pick<
  PaymentRow,
  'id' | 'orderId' | 'provider' | 'amount' | 'currency' | 'status' | 'refundReserved' | 'refunded'
> & {
  /** The sums of its refund rows: of all, and of those the provider has confirmed. */
  readonly refundsBegun: number;
  readonly refundsDone: number;
  readonly reversed: boolean;
};

const audited = sql`
  p.id, p.order_id as "orderId", p.provider, p.amount, p.currency, p.status,
  p.refund_reserved as "refundReserved", p.refunded,
  coalesce(r.begun, 0)::bigint as "refundsBegun", coalesce(r.done, 0)::bigint as "refundsDone",
  exists (select from payments.order_reversal v where v.order_id = p.order_id) as reversed
  from payments.payment p
  left join lateral (
    select sum(amount) as begun, sum(amount) filter (where due_at is null) as done
    from payments.refund where payment_id = p.id
  ) r on true`;

/** Up to `limit` payments in the order of their ids, after the id `after`. */
export async function auditedAfter(on: Queryable, after: string, limit: number): Promise<AuditedPayment[]> {
  return await on.rows<AuditedPayment>(sql`
    select ${audited} where p.id > ${after}::uuid order by p.id limit ${limit}::int`);
}

/** The payments that go by these provider keys; a key that is no id of ours has none. */
export async function auditedOf(on: Queryable, keys: readonly string[]): Promise<AuditedPayment[]> {
  return await on.rows<AuditedPayment>(sql`
    select ${audited} where p.id in (
      select case when key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then key::uuid end
      from unnest(${textArray(keys)}) as key)`);
}
