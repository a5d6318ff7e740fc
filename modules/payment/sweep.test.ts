import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { chargeOrder } from './charge-order.ts';
import type { PaymentContext } from './context.ts';
import { claimWebhooks } from './sandbox/ledger-store.ts';
import { findPayment } from './store.ts';
import { sweepPayments } from './sweep.ts';
import { booksOf, createTestContext, eventsOf, makeDue, newCharge } from './test-context.ts';

let engine: Engine;
let database: Database;
let context: PaymentContext;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('payment', 'payments'));
  context = createTestContext(database);
});
afterAll(() => engine.close());

const unreachable = async () => Promise.reject(new Error('unreachable'));

/** A charge that the provider made, or with `reached: false` never heard of, and whose answer was lost. */
async function loseAnswer(token: string, { reached }: { reached: boolean }) {
  const charge = newCharge(token);
  const lossy = createTestContext(database, (sandbox) => ({
    charge: async (...given) => {
      if (reached) await sandbox.charge(...given);
      return await unreachable();
    },
    find: reached ? unreachable : sandbox.find,
  }));
  await expect(chargeOrder(lossy, charge)).rejects.toMatchObject({ kind: 'unavailable' });
  return charge;
}

const settled = (charge: { paymentId: string; orderId: string }, state: string) => ({
  type: 'payment.settled.v1',
  data: { paymentId: charge.paymentId, orderId: charge.orderId, state },
});

test.each([
  ['tok_ok', 'captured', 'captured'],
  ['tok_declined', 'failed', 'failed'],
])('a lost answer (%s) is found by key and told once, by two sweepers too', async (token, status, told) => {
  const charge = await loseAnswer(token, { reached: true });
  await makeDue(database);
  await Promise.all([sweepPayments(context), sweepPayments(context)]);
  await makeDue(database);
  await sweepPayments(context);
  expect(await findPayment(database, charge.paymentId)).toMatchObject({ status });
  expect(await eventsOf(database, charge.paymentId)).toEqual([settled(charge, told)]);
});

test('nothing is asked before it is due, so that a charge under way is left to its caller', async () => {
  const charge = await loseAnswer('tok_ok', { reached: true });
  await sweepPayments(context);
  expect(await findPayment(database, charge.paymentId)).toMatchObject({ status: 'pending' });
});

test('a charge that the provider never heard of is left to its caller, and asked for later and later', async () => {
  const charge = await loseAnswer('tok_ok', { reached: false });
  const waits: number[] = [];
  for (let look = 0; look < 3; look += 1) {
    await makeDue(database);
    await sweepPayments(context);
    const [row] = await database.rows<{ seconds: number }>(sql`
      select extract(epoch from due_at - now())::float8 as seconds from payments.payment
      where id = ${charge.paymentId}::uuid and status = 'pending'`);
    waits.push(row?.seconds ?? 0);
  }
  expect(waits[0]).toBeGreaterThan(0);
  expect(waits[1]).toBeGreaterThan(waits[0] ?? 0);
  expect(waits[2]).toBeGreaterThan(waits[1] ?? 0);
  expect(await chargeOrder(context, charge)).toMatchObject({ state: 'captured' });
});

test('given up at last, its key is spent, so that nothing can be taken by it', async () => {
  const charge = await loseAnswer('tok_ok', { reached: false });
  await database.rows(sql`
    update payments.payment set created_at = now() - interval '1 day' where id = ${charge.paymentId}::uuid`);
  await makeDue(database);
  await sweepPayments(context);
  expect(await findPayment(database, charge.paymentId)).toMatchObject({ status: 'voided' });
  expect(await eventsOf(database, charge.paymentId)).toEqual([settled(charge, 'failed')]);
  expect(await chargeOrder(context, charge)).toEqual({ state: 'declined', reason: 'voided' });
  const { signal } = new AbortController();
  const late = { key: charge.paymentId, ...charge.amount, token: 'tok_ok' };
  expect(await context.provider.charge(late, signal)).toEqual({ state: 'voided' });
  expect(await booksOf(database, charge.paymentId)).toEqual([{ state: 'voided', amount: null, refunds: [] }]);
});

test('an authorization whose webhook never came is asked for', async () => {
  const charge = newCharge('tok_later');
  await chargeOrder(context, charge);
  await database.rows(
    sql`update payments.sandbox_webhook set due_at = now() where charge_key = ${charge.paymentId}`,
  );
  // The sandbox captures and means to tell, but its webhook is lost.
  expect(await claimWebhooks(database, 10)).toMatchObject([{ key: charge.paymentId, state: 'captured' }]);
  await makeDue(database);
  await sweepPayments(context);
  expect(await eventsOf(database, charge.paymentId)).toEqual([settled(charge, 'captured')]);
  expect(await chargeOrder(context, charge)).toEqual({ state: 'captured', reason: null });
});

test('one that can not be asked does not hold up the others', async () => {
  const stuck = await loseAnswer('tok_ok', { reached: true });
  const other = await loseAnswer('tok_ok', { reached: true });
  await makeDue(database);
  const halfDown = createTestContext(database, (sandbox) => ({
    find: (key, signal) => (key === stuck.paymentId ? unreachable() : sandbox.find(key, signal)),
  }));
  await sweepPayments(halfDown);
  expect(await findPayment(database, stuck.paymentId)).toMatchObject({ status: 'pending' });
  expect(await findPayment(database, other.paymentId)).toMatchObject({ status: 'captured' });
});
