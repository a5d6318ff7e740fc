import fc from 'fast-check';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { isAppError } from '#platform/errors';
import type { IdempotencyClaim } from '#platform/http/idempotency';
import { openModuleDatabase } from '#platform/testing/database';
import { chargeOrder } from './charge-order.ts';
import type { PaymentContext } from './context.ts';
import { refundPayment } from './refund-payment.ts';
import { reverseOrder } from './reverse-order.ts';
import { findPayment } from './store.ts';
import { sweepPayments } from './sweep.ts';
import { booksOf, createTestContext, makeDue, newCharge } from './test-context.ts';

let engine: Engine;
let database: Database;
let context: PaymentContext;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('payment', 'payments'));
  context = createTestContext(database);
});
afterAll(() => engine.close());

const unreachable = async () => Promise.reject(new Error('unreachable'));

async function captured() {
  const charge = newCharge('tok_ok');
  await chargeOrder(context, charge);
  return charge;
}

function refundOf(paymentId: string, amount: number, claim?: IdempotencyClaim) {
  return { paymentId, amount: { amount, currency: 'GBP' }, reason: 'broken', claim };
}

const claimOf = (key: string): IdempotencyClaim => ({
  userId: uuidv7(),
  route: 'POST /payments/{id}/refunds',
  key,
  fingerprint: 'same',
});

describe('a refund that is interrupted', () => {
  test.each([
    ['before the provider was reached', false],
    ['after the provider refunded', true],
  ])('%s is ended by the repeat with its key, as one refund', async (_, reached) => {
    const { paymentId } = await captured();
    const claim = claimOf(uuidv7());
    const dies = createTestContext(database, (sandbox) => ({
      refund: async (...given) => {
        if (reached) await sandbox.refund(...given);
        return await unreachable();
      },
    }));
    const request = refundOf(paymentId, 500, claim);
    await expect(refundPayment(dies, request)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await findPayment(database, paymentId)).toMatchObject({ refunded: 0, refundReserved: 500 });
    const answer = await refundPayment(context, request);
    expect(answer).toMatchObject({ status: 201, body: { paymentId, amount: { amount: 500 } } });
    const repeat = await refundPayment(context, request);
    expect(repeat.body).toEqual(answer.body);
    expect(repeat.headers).toMatchObject({ 'idempotency-replayed': 'true' });
    expect(await booksOf(database, paymentId)).toMatchObject([{ refunds: [500] }]);
    expect(await findPayment(database, paymentId)).toMatchObject({ refunded: 500 });
  });

  test('is ended by the sweeper, and the repeat gets its answer', async () => {
    const { paymentId } = await captured();
    const request = refundOf(paymentId, 500, claimOf(uuidv7()));
    const cutOff = createTestContext(database, () => ({ refund: unreachable }));
    await expect(refundPayment(cutOff, request)).rejects.toMatchObject({ kind: 'unavailable' });
    await makeDue(database);
    await sweepPayments(context);
    expect(await findPayment(database, paymentId)).toMatchObject({ refunded: 500 });
    expect(await refundPayment(context, request)).toMatchObject({ status: 201 });
    expect(await booksOf(database, paymentId)).toMatchObject([{ refunds: [500] }]);
  });
});

test('a repeat beside the first goes on with the same refund', async () => {
  const { paymentId } = await captured();
  const claim = claimOf(uuidv7());
  const request = refundOf(paymentId, 500, claim);
  const answers = await Promise.allSettled([1, 2, 3, 4].map(() => refundPayment(context, request)));
  const given = answers.filter((answer) => answer.status === 'fulfilled').map((answer) => answer.value.body);
  expect(given.length).toBeGreaterThan(0);
  for (const body of given) expect(body).toEqual(given[0]);
  for (const answer of answers) {
    if (answer.status === 'rejected')
      expect(isAppError(answer.reason, 'idempotency_key_in_flight')).toBe(true);
  }
  expect(await booksOf(database, paymentId)).toMatchObject([{ refunds: [500] }]);
});

test('refunds beside each other never exceed the capture', async () => {
  const { paymentId } = await captured();
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, () => refundPayment(context, refundOf(paymentId, 400))),
  );
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(3);
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    expect(result.reason).toMatchObject({
      code: 'refund_exceeds_capture',
      extra: { left: { amount: 99, currency: 'GBP' } },
    });
  }
  expect(await booksOf(database, paymentId)).toMatchObject([{ refunds: [400, 400, 400] }]);
});

test('whatever is refunded, in any sizes, side by side and with faults, it is never more than was taken', async () => {
  const step = fc.record({
    amount: fc.integer({ min: 1, max: 900 }),
    fault: fc.constantFrom('none', 'before', 'after'),
    beside: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (steps, reversed) => {
        const { paymentId, orderId } = await captured();
        const under = { none: context, before: faulty(false), after: faulty(true) };
        const running: Promise<unknown>[] = [];
        for (const { amount, fault, beside } of steps) {
          const refund = refundPayment(under[fault], refundOf(paymentId, amount)).catch(expectedFailure);
          if (beside) running.push(refund);
          else await refund;
        }
        if (reversed) running.push(reverseOrder(context, orderId));
        await Promise.all(running);
        await makeDue(database);
        await sweepPayments(context);
        const [books] = await booksOf(database, paymentId);
        const given = books?.refunds.reduce((total, amount) => total + amount, 0) ?? 0;
        const payment = await findPayment(database, paymentId);
        expect(given).toBeLessThanOrEqual(1299);
        expect(payment).toMatchObject({ refunded: given, refundReserved: given });
        if (reversed) expect(given).toBe(1299);
      },
    ),
    { numRuns: 25 },
  );
});

function faulty(reached: boolean): PaymentContext {
  return createTestContext(database, (sandbox) => ({
    refund: async (...given) => {
      if (reached) await sandbox.refund(...given);
      return await unreachable();
    },
  }));
}

function expectedFailure(error: unknown): void {
  const expected = isAppError(error, 'refund_exceeds_capture') || isAppError(error, 'provider_error');
  if (!expected) throw error;
}
