import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { chargeOrder } from './charge-order.ts';
import type { PaymentContext } from './context.ts';
import type { PaymentProvider } from './provider.ts';
import { refundPayment } from './refund-payment.ts';
import { reverseOrder } from './reverse-order.ts';
import { sumSettlements } from './store.ts';
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

const gbp = (amount: number) => ({ amount, currency: 'GBP' });
const unreachable = async () => Promise.reject(new Error('unreachable'));
const lateRefund = (charge: ReturnType<typeof newCharge>) => ({
  type: 'payment.late_capture_refunded.v1',
  data: { paymentId: charge.paymentId, orderId: charge.orderId, amount: charge.amount },
});

describe('what a reversal gives back', () => {
  test('a capture is refunded once, however often it is asked', async () => {
    const charge = newCharge('tok_ok');
    await chargeOrder(context, charge);
    const answer = { refunded: gbp(1299), pending: false };
    expect(await reverseOrder(context, charge.orderId)).toEqual(answer);
    expect(await reverseOrder(context, charge.orderId)).toEqual(answer);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'captured', refunds: [1299] }]);
    expect(await eventsOf(database, charge.paymentId)).toEqual([]);
  });

  test('five reversals at once give it back once', async () => {
    const charge = newCharge('tok_ok');
    await chargeOrder(context, charge);
    const answers = await Promise.all(Array.from({ length: 5 }, () => reverseOrder(context, charge.orderId)));
    expect(answers.map((answer) => answer.refunded)).toEqual(Array(5).fill(gbp(1299)));
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ refunds: [1299] }]);
  });

  test('of a partly refunded capture it is what is left', async () => {
    const charge = newCharge('tok_ok');
    await chargeOrder(context, charge);
    const part = { paymentId: charge.paymentId, amount: gbp(300), reason: 'broken', claim: undefined };
    await refundPayment(context, part);
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: gbp(999), pending: false });
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ refunds: [300, 999] }]);
  });

  test('an authorization is voided and never captured', async () => {
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: null, pending: false });
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'voided', refunds: [] }]);
  });

  test('a declined charge, and an order never charged, have nothing to give', async () => {
    const charge = newCharge('tok_declined');
    await chargeOrder(context, charge);
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: null, pending: false });
    expect(await reverseOrder(context, newCharge('').orderId)).toEqual({ refunded: null, pending: false });
  });
});

describe('a charge after the reversal', () => {
  test('is refused without asking the provider, whether it is new or was made before', async () => {
    const before = newCharge('tok_ok');
    await chargeOrder(context, before);
    await reverseOrder(context, before.orderId);
    const after = newCharge('tok_ok', { orderId: before.orderId });
    for (const charge of [before, after]) {
      await expect(chargeOrder(context, charge)).rejects.toMatchObject({
        kind: 'conflict',
        code: 'order_reversed',
      });
    }
    expect(await booksOf(database, after.paymentId)).toEqual([]);
  });

  test('that was on its way to the provider is refused there', async () => {
    const charge = newCharge('tok_ok');
    const reversedFirst = createTestContext(database, (sandbox) => ({
      charge: async (...given) => {
        await reverseOrder(context, charge.orderId);
        return await sandbox.charge(...given);
      },
    }));
    await expect(chargeOrder(reversedFirst, charge)).rejects.toMatchObject({ code: 'order_reversed' });
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'voided', refunds: [] }]);
    expect(await eventsOf(database, charge.paymentId)).toEqual([]);
  });

  test.each(['tok_ok', 'tok_later'])(
    'that the provider had made already (%s) comes to nothing',
    async (token) => {
      const charge = newCharge(token);
      const reversedAfter = createTestContext(database, (sandbox) => ({
        charge: async (...given) => {
          const outcome = await sandbox.charge(...given);
          await reverseOrder(context, charge.orderId);
          return outcome;
        },
      }));
      await expect(chargeOrder(reversedAfter, charge)).rejects.toMatchObject({ code: 'order_reversed' });
      const late = token === 'tok_ok';
      expect(await booksOf(database, charge.paymentId)).toMatchObject([
        late ? { state: 'captured', refunds: [1299] } : { state: 'voided', refunds: [] },
      ]);
      expect(await eventsOf(database, charge.paymentId)).toEqual(late ? [lateRefund(charge)] : []);
    },
  );

  test('whose intent the reversal did not see yet is taken back when its outcome is recorded', async () => {
    const charge = newCharge('tok_ok');
    // The reversal's transaction committed beside the intent's, so that neither saw the other.
    const unseen = createTestContext(database, (sandbox) => ({
      charge: async (...given) => {
        await database.rows(
          sql`insert into payments.order_reversal (order_id) values (${charge.orderId}::uuid)`,
        );
        return await sandbox.charge(...given);
      },
    }));
    await expect(chargeOrder(unseen, charge)).rejects.toMatchObject({ code: 'order_reversed' });
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ refunds: [1299] }]);
    expect(await eventsOf(database, charge.paymentId)).toEqual([lateRefund(charge)]);
  });
});

describe('a reversal that is interrupted', () => {
  test('leaves an unknown charge pending, and takes it back once its capture is known', async () => {
    const charge = newCharge('tok_ok');
    const cutOff = createTestContext(database, (sandbox) => ({
      charge: async (...given: Parameters<PaymentProvider['charge']>) => {
        await sandbox.charge(...given);
        return await unreachable();
      },
      find: unreachable,
      void: unreachable,
    }));
    await expect(chargeOrder(cutOff, charge)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await reverseOrder(cutOff, charge.orderId)).toEqual({ refunded: null, pending: true });

    await makeDue(database);
    await Promise.all([sweepPayments(context), sweepPayments(context)]);
    await makeDue(database);
    await sweepPayments(context);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'captured', refunds: [1299] }]);
    expect(await eventsOf(database, charge.paymentId)).toEqual([lateRefund(charge)]);
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: null, pending: false });
    expect(await sumSettlements(database, [charge.orderId])).toEqual([
      {
        orderId: charge.orderId,
        captures: 1,
        captured: 1299,
        refunded: 1299,
        currency: 'GBP',
        pending: false,
      },
    ]);
  });

  test('after the provider refunded goes on to the same one refund and the same answer', async () => {
    const charge = newCharge('tok_ok');
    await chargeOrder(context, charge);
    const dies = createTestContext(database, (sandbox) => ({
      refund: async (...given) => {
        await sandbox.refund(...given);
        return await unreachable();
      },
    }));
    expect(await reverseOrder(dies, charge.orderId)).toEqual({ refunded: gbp(1299), pending: true });
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: gbp(1299), pending: false });
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ refunds: [1299] }]);
  });

  test('is ended by the sweeper when nobody asks again', async () => {
    const charge = newCharge('tok_ok');
    await chargeOrder(context, charge);
    const cutOff = createTestContext(database, () => ({ refund: unreachable }));
    await reverseOrder(cutOff, charge.orderId);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ refunds: [] }]);
    await makeDue(database);
    await sweepPayments(context);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ refunds: [1299] }]);
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: gbp(1299), pending: false });
  });
});
