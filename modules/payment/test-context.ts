import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import type { Database } from '#platform/database/database';
import { createOutbox } from '#platform/events/outbox';
import { createIdempotency } from '#platform/http/idempotency-store';
import type { PaymentContext } from './context.ts';
import type { PaymentProvider } from './provider.ts';
import { createSandbox } from './sandbox/sandbox.ts';

/** What the use cases work with, for tests: the sandbox, with calls of it replaced by `faults`. */
export function createTestContext(
  database: Database,
  faults: (sandbox: PaymentProvider) => Partial<PaymentProvider> = () => ({}),
): PaymentContext {
  const sandbox = createSandbox(database);
  return {
    database,
    outbox: createOutbox({ schema: 'payments', subscribers: new Map(), wake: () => undefined }),
    idempotency: createIdempotency(database),
    log: pino({ level: 'silent' }),
    newId: uuidv7,
    provider: { ...sandbox, ...faults(sandbox) },
  };
}

/** A charge of 12.99 GBP for an order of its own. */
export function newCharge(token: string, members: { orderId?: string; userId?: string } = {}) {
  const amount = { amount: 1299, currency: 'GBP' };
  return { paymentId: uuidv7(), orderId: uuidv7(), userId: uuidv7(), amount, token, ...members };
}

/** The provider's books under one key: its charge, and the amounts it refunded. */
export async function booksOf(database: Database, key: string) {
  return await database.rows<{ state: string; amount: number | null; refunds: number[] }>(sql`
    select c.state, c.amount, (
      select coalesce(jsonb_agg(r.amount order by r.created_at, r.key), '[]')
      from payments.sandbox_refund r where r.charge_key = c.key
    ) as refunds
    from payments.sandbox_charge c where c.key = ${key}`);
}

/** The events published of one payment, in order. */
export async function eventsOf(database: Database, paymentId: string) {
  return await database.rows<{ type: string; data: Record<string, unknown> }>(sql`
    select type, data from payments.outbox where stream = ${`payment:${paymentId}`} order by version`);
}

/** Makes whatever the sweeper would look at later due now. */
export async function makeDue(database: Database): Promise<void> {
  await database.rows(sql`update payments.payment set due_at = now() where due_at is not null`);
  await database.rows(sql`update payments.refund set due_at = now() where due_at is not null`);
}
