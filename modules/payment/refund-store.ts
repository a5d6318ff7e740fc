import { eq, sql } from 'drizzle-orm';
import type { Queryable, Transaction } from '#platform/database/database';
import { isoTime, jsonRows } from '#platform/database/sql';
import { REFUND_CHECK_MS } from './limits.ts';
import type { RefundRow } from './payment.ts';
import { payment, refund } from './schema.ts';
import { recheckAt } from './store.ts';

/**
 * Writes the intent to refund and reserves its amount on the payment, all in one conditional statement: whatever
 * runs beside it, the refunds of a payment never exceed its capture. Refunds that do not fit are left out; the
 * ids of the others are returned.
 */
export async function reserveRefunds(
  tx: Transaction,
  refunds: readonly Pick<RefundRow, 'id' | 'paymentId' | 'amount' | 'cause' | 'reason'>[],
): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(sql`
    with wanted as (
      select * from jsonb_to_recordset(${jsonRows(refunds)})
        as w(id uuid, "paymentId" uuid, amount bigint, cause text, reason text)
    ), reserved as (
      update payments.payment p set refund_reserved = p.refund_reserved + w.amount
      from wanted w
      where p.id = w."paymentId" and p.status = 'captured' and p.refund_reserved + w.amount <= p.amount
      returning w.id
    )
    insert into payments.refund (id, payment_id, amount, cause, reason, due_at)
    select w.id, w."paymentId", w.amount, w.cause, w.reason, now() + ${REFUND_CHECK_MS}::int * interval '1 millisecond'
    from wanted w join reserved r on r.id = w.id
    returning id`);
  return rows.map((row) => row.id);
}

export async function findRefund(on: Queryable, id: string): Promise<RefundRow | undefined> {
  const [row] = await on.db
    .select({
      id: refund.id,
      paymentId: refund.paymentId,
      amount: refund.amount,
      currency: payment.currency,
      cause: refund.cause,
      reason: refund.reason,
      done: sql<boolean>`${refund.dueAt} is null`,
      createdAt: isoTime(refund.createdAt),
    })
    .from(refund)
    .innerJoin(payment, eq(payment.id, refund.paymentId))
    .where(eq(refund.id, id));
  return row;
}

/**
 * Records that the provider has taken the refund on, once. Returns what is needed to tell of it, or undefined
 * when it was recorded before.
 */
export async function completeRefund(
  tx: Transaction,
  id: string,
): Promise<{ orderId: string; version: number } | undefined> {
  const [row] = await tx.rows<{ orderId: string; version: number }>(sql`
    with done as (
      update payments.refund set due_at = null where id = ${id}::uuid and due_at is not null
      returning payment_id, amount
    )
    update payments.payment p set refunded = p.refunded + done.amount, version = p.version + 1
    from done where p.id = done.payment_id
    returning p.order_id as "orderId", p.version`);
  return row;
}

/** The refunds of this order that the provider has not confirmed. */
export async function listOpenRefunds(on: Queryable, orderId: string): Promise<string[]> {
  const rows = await on.rows<{ id: string }>(sql`
    select r.id from payments.refund r join payments.payment p on p.id = r.payment_id
    where p.order_id = ${orderId}::uuid and r.due_at is not null`);
  return rows.map((row) => row.id);
}

/** Takes due refunds and puts their next try off, which keeps other sweepers away. */
export async function claimOpenRefunds(on: Queryable, limit: number): Promise<string[]> {
  const rows = await on.rows<{ id: string }>(sql`
    update payments.refund r
    set attempts = r.attempts + 1, due_at = ${recheckAt(sql`r.attempts`)}
    from (
      select id from payments.refund where due_at <= now() order by due_at limit ${limit}::int
      for update skip locked
    ) due
    where r.id = due.id
    returning r.id`);
  return rows.map((row) => row.id);
}
