import { sql } from 'drizzle-orm';
import type { Database } from '#platform/database/database';
import { textArray } from '#platform/database/sql';
import {
  SANDBOX_FLAKY_ERRORS,
  SANDBOX_LATER_MS,
  SANDBOX_WEBHOOK_BACKOFF_MAX_MS,
  SANDBOX_WEBHOOK_BACKOFF_MS,
  SANDBOX_WEBHOOK_TIMEOUT_MS,
} from '../limits.ts';
import type { ChargeState, LedgerEntry } from '../provider.ts';
import type { Decision } from './decide.ts';

/** A charge as the books have it. */
export interface Charge {
  readonly state: Decision['state'];
  readonly reason: string | null;
  readonly amount: number | null;
  readonly currency: string | null;
}

/**
 * Enters a charge by its key, or returns what the books have under it. A key that errs is counted on and comes
 * good after SANDBOX_FLAKY_ERRORS; an authorization gets the due row of its later capture.
 */
export async function enterCharge(
  database: Database,
  charge: { key: string; amount: number; currency: string },
  decision: Decision,
): Promise<Charge | undefined> {
  const [row] = await database.sharedTransaction((tx) =>
    tx.rows<Charge>(sql`
    with charge as (
      insert into payments.sandbox_charge as c (key, amount, currency, state, reason, errors)
      values (${charge.key}::text, ${charge.amount}::bigint, ${charge.currency}::text, ${decision.state}::text,
        ${decision.reason}::text, ${decision.state === 'erring' ? 1 : 0}::int)
      on conflict (key) do update set
        state = case when c.state = 'erring' and c.errors >= ${SANDBOX_FLAKY_ERRORS}::int
          then 'captured' else c.state end,
        errors = c.errors + case when c.state = 'erring' then 1 else 0 end
      returning key, state, reason, amount, currency
    ), later as (
      insert into payments.sandbox_webhook (charge_key, due_at)
      select key, now() + ${SANDBOX_LATER_MS}::int * interval '1 millisecond' from charge
      where state = 'authorized'
      on conflict (charge_key) do nothing
    )
    select state, reason, amount, currency from charge`),
  );
  return row;
}

export async function findCharge(database: Database, key: string): Promise<Charge | undefined> {
  const [row] = await database.rows<Charge>(sql`
    select state, reason, amount, currency from payments.sandbox_charge where key = ${key}::text`);
  return row;
}

/** Voids what is not captured, and leaves a tombstone under an unknown key; returns what the charge then is. */
export async function voidCharge(database: Database, key: string): Promise<Charge | undefined> {
  const [row] = await database.rows<Charge>(sql`
    insert into payments.sandbox_charge as c (key, state) values (${key}::text, 'voided')
    on conflict (key) do update
      set state = case when c.state in ('authorized', 'erring') then 'voided' else c.state end
    returning state, reason, amount, currency`);
  return row;
}

/** Enters a refund by its key, once; false when the charge has not that much left or was never captured. */
export async function enterRefund(
  database: Database,
  refund: { key: string; chargeKey: string; amount: number },
): Promise<boolean> {
  return await database.transaction(async (tx) => {
    // The charge's lock makes refunds of one charge wait for each other, so the look at the key holds.
    await tx.rows(
      sql`select 1 as held from payments.sandbox_charge where key = ${refund.chargeKey}::text for update`,
    );
    const known = await tx.rows(
      sql`select 1 as known from payments.sandbox_refund where key = ${refund.key}::text`,
    );
    if (known.length > 0) return true;
    const rows = await tx.rows(sql`
      with charge as (
        update payments.sandbox_charge set refunded = refunded + ${refund.amount}::bigint
        where key = ${refund.chargeKey}::text and state = 'captured'
          and refunded + ${refund.amount}::bigint <= amount
        returning key
      )
      insert into payments.sandbox_refund (key, charge_key, amount)
      select ${refund.key}::text, key, ${refund.amount}::bigint from charge
      returning key`);
    return rows.length > 0;
  });
}

export interface DueWebhook {
  readonly id: string;
  readonly key: string;
  readonly state: ChargeState['state'];
  /** Unix time by the database's clock, by which the receiver judges the signature. */
  readonly nowMs: number;
}

/**
 * Takes the webhooks that are due, capturing the authorizations they tell of; a charge voided meanwhile stays
 * voided. Each is put off with growing waits until `finishWebhook`, whatever becomes of its sender.
 */
export async function claimWebhooks(database: Database, limit: number): Promise<DueWebhook[]> {
  return await database.transaction(async (tx) => {
    const claimed = await tx.rows<{ key: string }>(sql`
      update payments.sandbox_webhook w
      set attempts = w.attempts + 1, due_at = now() + interval '1 millisecond'
        * (${SANDBOX_WEBHOOK_TIMEOUT_MS}::int + least(${SANDBOX_WEBHOOK_BACKOFF_MAX_MS}::int,
          ${SANDBOX_WEBHOOK_BACKOFF_MS}::int * power(2, least(w.attempts, 20))))
      from (
        select id from payments.sandbox_webhook where due_at <= now() order by due_at limit ${limit}::int
        for update skip locked
      ) due
      where w.id = due.id
      returning w.charge_key as key`);
    if (claimed.length === 0) return [];
    const keys = textArray(claimed.map(({ key }) => key));
    await tx.rows(sql`
      update payments.sandbox_charge set state = 'captured' where key = any(${keys}) and state = 'authorized'`);
    return await tx.rows<DueWebhook>(sql`
      select w.id, c.key, c.state, (extract(epoch from now()) * 1000)::bigint as "nowMs"
      from payments.sandbox_webhook w join payments.sandbox_charge c on c.key = w.charge_key
      where c.key = any(${keys})`);
  });
}

/** The receiver took it: it is not sent again. */
export async function finishWebhook(database: Database, id: string): Promise<void> {
  await database.rows(sql`update payments.sandbox_webhook set due_at = null where id = ${id}::uuid`);
}

/** A key that has only erred was never charged, so it is in no ledger. */
const entry = sql`key, state, coalesce(amount, 0)::bigint as amount, currency, refunded`;

export async function entriesOf(database: Database, keys: readonly string[]): Promise<LedgerEntry[]> {
  return await database.rows<LedgerEntry>(sql`
    select ${entry} from payments.sandbox_charge where key = any(${textArray(keys)}) and state <> 'erring'`);
}

export async function entriesAfter(database: Database, after: string, limit: number): Promise<LedgerEntry[]> {
  return await database.rows<LedgerEntry>(sql`
    select ${entry} from payments.sandbox_charge where key > ${after}::text and state <> 'erring'
    order by key limit ${limit}::int`);
}
