import { type SQL, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '#platform/audit';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { auditPayments } from './audit.ts';
import { chargeOrder } from './charge-order.ts';
import type { PaymentContext } from './context.ts';
import { refundPayment } from './refund-payment.ts';
import { reverseOrder } from './reverse-order.ts';
import { createTestContext, newCharge } from './test-context.ts';

let engine: Engine;
let database: Database;
let context: PaymentContext;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('payment', 'payments'));
  context = createTestContext(database);
});
afterAll(() => engine.close());

async function findings(): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of auditPayments(context)()) found.push(finding);
  return found;
}

async function charged(token: string) {
  const charge = newCharge(token);
  await chargeOrder(context, charge);
  return charge;
}

const partOf = ({ paymentId }: { paymentId: string }, amount: number) => ({
  paymentId,
  amount: { amount, currency: 'GBP' },
  reason: 'broken',
  claim: undefined,
});

test('a trade with every kind of end, and work still open, has nothing wrong', async () => {
  await charged('tok_declined');
  await charged('tok_later');
  await refundPayment(context, partOf(await charged('tok_ok'), 100));
  await reverseOrder(context, (await charged('tok_ok')).orderId);
  await reverseOrder(context, (await charged('tok_later')).orderId);
  await reverseOrder(context, newCharge('').orderId);
  const halfWay = createTestContext(database, (sandbox) => ({
    charge: async (...given) => {
      await sandbox.charge(...given);
      throw new Error('lost');
    },
    find: () => Promise.reject(new Error('unreachable')),
    refund: async (...given) => {
      await sandbox.refund(...given);
      throw new Error('lost');
    },
  }));
  await expect(chargeOrder(halfWay, newCharge('tok_ok'))).rejects.toMatchObject({ kind: 'unavailable' });
  expect(await reverseOrder(halfWay, (await charged('tok_ok')).orderId)).toMatchObject({ pending: true });
  expect(await findings()).toEqual([]);
});

describe('a planted violation is named', () => {
  /** Plants it on a fresh charge, looks, and takes it away again. */
  async function plant(token: string, change: (charge: ReturnType<typeof newCharge>) => SQL[]) {
    const charge = await charged(token);
    for (const statement of change(charge)) await database.rows(statement);
    const found = await findings();
    await database.rows(sql`delete from payments.order_reversal where order_id = ${charge.orderId}::uuid`);
    await database.rows(sql`delete from payments.refund where payment_id = ${charge.paymentId}::uuid`);
    await database.rows(sql`delete from payments.payment where id = ${charge.paymentId}::uuid`);
    await database.rows(sql`delete from payments.sandbox_webhook where charge_key = ${charge.paymentId}`);
    await database.rows(sql`delete from payments.sandbox_refund where charge_key = ${charge.paymentId}`);
    await database.rows(sql`delete from payments.sandbox_charge where key = ${charge.paymentId}`);
    expect(await findings()).toEqual([]);
    return { charge, found };
  }

  test.each<[string, string, string, (charge: ReturnType<typeof newCharge>) => SQL[]]>([
    [
      'a capture that the provider does not know',
      'tok_ok',
      'captured 1299 GBP, and for sandbox it is unknown',
      ({ paymentId }) => [sql`delete from payments.sandbox_charge where key = ${paymentId}`],
    ],
    [
      'a capture of another amount than the provider took',
      'tok_ok',
      'captured 1299 GBP, and for sandbox it is captured with 1300 GBP',
      ({ paymentId }) => [sql`update payments.sandbox_charge set amount = 1300 where key = ${paymentId}`],
    ],
    [
      'a failed payment that the provider captured',
      'tok_declined',
      'failed, and for sandbox it is captured with 1299 GBP',
      ({ paymentId }) => [
        sql`update payments.sandbox_charge set state = 'captured' where key = ${paymentId}`,
      ],
    ],
    [
      'a refund that the provider did not make',
      'tok_ok',
      'refunded 100, and sandbox refunded 0',
      ({ paymentId }) => [
        sql`update payments.payment set refunded = 100, refund_reserved = 100 where id = ${paymentId}::uuid`,
        sql`insert into payments.refund (id, payment_id, amount, cause, reason)
          values (gen_random_uuid(), ${paymentId}::uuid, 100, 'requested', 'planted')`,
      ],
    ],
    [
      'a refund that nobody asked the provider for',
      'tok_ok',
      'sandbox refunded 100, of which 0 were asked for',
      ({ paymentId }) => [sql`update payments.sandbox_charge set refunded = 100 where key = ${paymentId}`],
    ],
    [
      'figures that its refunds do not come to',
      'tok_ok',
      'refunded 0 of 100 begun, and its refunds come to 0 of 0',
      ({ paymentId }) => [
        sql`update payments.payment set refund_reserved = 100 where id = ${paymentId}::uuid`,
      ],
    ],
    [
      'a reversed order that keeps money',
      'tok_ok',
      'its order was reversed, and 1299 of 1299 are not given back',
      ({ orderId }) => [sql`insert into payments.order_reversal (order_id) values (${orderId}::uuid)`],
    ],
  ])('%s', async (_, token, detail, change) => {
    const { charge, found } = await plant(token, change);
    const subject = `payment ${charge.paymentId} (order ${charge.orderId})`;
    expect(found).toEqual([{ invariant: 'I2', subject, detail }]);
  });

  test('a charge of the provider without a payment', async () => {
    const { charge, found } = await plant('tok_ok', ({ paymentId }) => [
      sql`delete from payments.payment where id = ${paymentId}::uuid`,
    ]);
    const detail = 'sandbox has it captured with 1299 GBP, and there is no such payment';
    expect(found).toEqual([{ invariant: 'I2', subject: `charge ${charge.paymentId}`, detail }]);
  });

  test('a charge by a key that is no id of ours', async () => {
    await database.rows(sql`
      insert into payments.sandbox_charge (key, amount, currency, state) values ('stray', 5, 'GBP', 'captured')`);
    expect(await findings()).toMatchObject([{ subject: 'charge stray' }]);
    await database.rows(sql`delete from payments.sandbox_charge where key = 'stray'`);
  });
});

test('books of more than one page are read to their end', async () => {
  const strays = sql`
    insert into payments.sandbox_charge (key, amount, currency, state)
    select 'stray-' || lpad(n::text, 5, '0'), 5, 'GBP', 'captured' from generate_series(1, 1200) n`;
  await database.rows(strays);
  expect(await findings()).toHaveLength(1200);
  await database.rows(sql`delete from payments.sandbox_charge where key like 'stray-%'`);
});
