import { and, eq, isNotNull, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Database, Queryable, Transaction } from '#platform/database/database';
import { isoTime, textArray } from '#platform/database/sql';
import {
  ABANDON_MS,
  AUTHORIZED_CHECK_MS,
  PENDING_CHECK_MS,
  RECHECK_BASE_MS,
  RECHECK_MAX_MS,
  WEBHOOK_EVENT_KEEP_DAYS,
} from './limits.ts';
import { isFinal, type PaymentRow, statusOf } from './payment.ts';
import type { ChargeState } from './provider.ts';
import { orderReversal, payment, webhookEvent } from './schema.ts';

/** The columns of a `PaymentRow`, of the alias `p`. */
const PAYMENT = sql`p.id, p.order_id as "orderId", p.user_id as "userId", p.provider, p.amount, p.currency, p.status,
  p.reason, p.refund_reserved as "refundReserved", p.refunded, p.version, ${isoTime(sql`p.created_at`)} as "createdAt"`;

/** `ms` from now, by the database's clock. */
const after = (ms: number) => sql`now() + ${ms}::int * interval '1 millisecond'`;

/**
 * Held until the transaction ends by whoever writes an order's charge or its reversal: one of them commits before
 * the other, so that the reversal's next statement sees the charge, or the charge's next one sees the reversal.
 */
const orderLock = (orderId: string) =>
  sql`pg_advisory_xact_lock(hashtextextended(${`payments.order:${orderId}`}::text, 0))`;

/**
 * Writes the intent to charge. Returns undefined, and writes nothing, when the id is taken or the order was
 * reversed; a reversal that commits at the same moment is met when the outcome is recorded.
 */
export async function insertIntent(
  on: Queryable,
  intent: Pick<PaymentRow, 'id' | 'orderId' | 'userId' | 'provider' | 'amount' | 'currency'>,
): Promise<{ id: string } | undefined> {
  const [row] = await on.rows<{ id: string }>(sql`
    with held as materialized (select ${orderLock(intent.orderId)})
    insert into payments.payment (id, order_id, user_id, provider, amount, currency, due_at)
    select ${intent.id}::uuid, ${intent.orderId}::uuid, ${intent.userId}::uuid, ${intent.provider}::text,
      ${intent.amount}::bigint, ${intent.currency}::text, ${after(PENDING_CHECK_MS)}
    from held
    where not exists (select from payments.order_reversal where order_id = ${intent.orderId}::uuid)
    on conflict (id) do nothing
    returning id`);
  return row;
}

export async function findPayment(on: Queryable, id: string): Promise<PaymentRow | undefined> {
  const [row] = await on.rows<PaymentRow>(sql`
    select ${PAYMENT} from payments.payment p where p.id = ${id}::uuid`);
  return row;
}

/** The payment, locked until the transaction ends. */
export async function lockPayment(tx: Transaction, id: string): Promise<PaymentRow | undefined> {
  const [row] = await tx.rows<PaymentRow>(sql`
    select ${PAYMENT} from payments.payment p where p.id = ${id}::uuid for update`);
  return row;
}

/** The payments of these orders, oldest first. */
export async function listPayments(on: Queryable, orderIds: readonly string[]): Promise<PaymentRow[]> {
  return await on.rows<PaymentRow>(sql`
    select ${PAYMENT} from payments.payment p where p.order_id = any(${textArray(orderIds)}::uuid[])
    order by p.created_at, p.id`);
}

/** The order's payments, locked: each one's outcome is recorded before this transaction or after it. */
export async function lockPayments(tx: Transaction, orderId: string): Promise<PaymentRow[]> {
  return await tx.rows<PaymentRow>(sql`
    select ${PAYMENT} from payments.payment p where p.order_id = ${orderId}::uuid order by p.id for update`);
}

/**
 * Records what the provider said, once: an outcome never changes, save from authorized to a final one. Returns
 * the payment as it became, locked until the transaction ends, or undefined when there was nothing to record.
 */
export async function recordOutcome(
  tx: Transaction,
  id: string,
  outcome: ChargeState,
): Promise<PaymentRow | undefined> {
  const status = statusOf(outcome);
  const [row] = await tx.rows<PaymentRow>(sql`
    update payments.payment p
    set status = ${status}::text, reason = ${outcome.state === 'declined' ? outcome.reason : null}::text,
      version = p.version + 1, attempts = 0, due_at = ${isFinal(status) ? null : after(AUTHORIZED_CHECK_MS)}
    where p.id = ${id}::uuid and p.status in ('pending', 'authorized') and p.status <> ${status}::text
    returning ${PAYMENT}`);
  return row;
}

/** Takes due payments whose outcome is open and puts their next look off, which keeps other sweepers away. */
export async function claimOpenPayments(
  on: Queryable,
  limit: number,
): Promise<{ id: string; abandoned: boolean; reversed: boolean }[]> {
  return await on.rows(sql`
    update payments.payment p
    set attempts = p.attempts + 1, due_at = ${recheckAt(sql`p.attempts`)}
    from (
      select id from payments.payment where due_at <= now() order by due_at limit ${limit}::int
      for update skip locked
    ) due
    where p.id = due.id
    returning p.id, p.created_at < now() - ${ABANDON_MS}::int * interval '1 millisecond' as abandoned,
      exists (select from payments.order_reversal r where r.order_id = p.order_id) as reversed`);
}

/** When to look again after `attempts` looks: the wait doubles up to its bound. */
export function recheckAt(attempts: SQL): SQL {
  return sql`now() + least(${RECHECK_MAX_MS}::int, ${RECHECK_BASE_MS}::int * power(2, least(${attempts}, 20)))
    * interval '1 millisecond'`;
}

/** Marks the order; true when it was not marked before. Statements after this one see every charge begun before it. */
export async function insertReversal(tx: Transaction, orderId: string): Promise<boolean> {
  await tx.rows(sql`select ${orderLock(orderId)}`);
  const rows = await tx.db
    .insert(orderReversal)
    .values({ orderId })
    .onConflictDoNothing()
    .returning({ orderId: orderReversal.orderId });
  return rows.length > 0;
}

export async function setReversalRefund(
  tx: Transaction,
  orderId: string,
  refunded: { amount: number; currency: string },
): Promise<void> {
  await tx.db
    .update(orderReversal)
    .set({ refunded: refunded.amount, currency: refunded.currency })
    .where(eq(orderReversal.orderId, orderId));
}

/** Whether the payment's order was reversed. */
export async function isReversed(on: Queryable, id: string): Promise<boolean> {
  const rows = await on.rows(sql`
    select 1 as reversed from payments.order_reversal r join payments.payment p on p.order_id = r.order_id
    where p.id = ${id}::uuid`);
  return rows.length > 0;
}

export async function findReversal(
  on: Queryable,
  orderId: string,
): Promise<{ refunded: number; currency: string | null } | undefined> {
  const [row] = await on.db
    .select({ refunded: orderReversal.refunded, currency: orderReversal.currency })
    .from(orderReversal)
    .where(eq(orderReversal.orderId, orderId));
  return row;
}

/** Whether a charge's outcome or a refund of this order is still open. */
export async function isUnsettled(on: Queryable, orderId: string): Promise<boolean> {
  const rows = await on.db
    .select({ id: payment.id })
    .from(payment)
    .where(
      and(
        eq(payment.orderId, orderId),
        or(isNotNull(payment.dueAt), ne(payment.refundReserved, payment.refunded)),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

export interface Settlement {
  readonly orderId: string;
  readonly captures: number;
  readonly captured: number;
  readonly refunded: number;
  readonly currency: string;
  readonly pending: boolean;
}

/** One row per order that has payments. */
export async function sumSettlements(on: Queryable, orderIds: readonly string[]): Promise<Settlement[]> {
  return await on.rows<Settlement>(sql`
    select order_id as "orderId",
      count(*) filter (where status = 'captured') as captures,
      coalesce(sum(amount) filter (where status = 'captured'), 0)::bigint as captured,
      sum(refunded)::bigint as refunded,
      min(currency) as currency,
      bool_or(due_at is not null or refund_reserved <> refunded) as pending
    from payments.payment
    where order_id in (select id::uuid from unnest(${textArray(orderIds)}) as id)
    group by order_id`);
}

/** Remembers a provider's event; false when it was taken in before. */
export async function insertWebhookEvent(
  tx: Transaction,
  provider: string,
  eventId: string,
): Promise<boolean> {
  const rows = await tx.db
    .insert(webhookEvent)
    .values({ provider, eventId })
    .onConflictDoNothing()
    .returning({ eventId: webhookEvent.eventId });
  return rows.length > 0;
}

export async function deleteOldWebhookEvents(on: Queryable): Promise<void> {
  await on.rows(sql`
    delete from payments.webhook_event where at < now() - make_interval(days => ${WEBHOOK_EVENT_KEEP_DAYS}::int)`);
}

/** The database's clock, which all processes share. */
export async function databaseNow(database: Database): Promise<Date> {
  const [row] = await database.rows<{ ms: number }>(
    sql`select (extract(epoch from now()) * 1000)::bigint as ms`,
  );
  return new Date(row?.ms ?? Number.NaN);
}
