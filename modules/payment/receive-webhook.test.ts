import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { chargeOrder } from './charge-order.ts';
import type { PaymentContext } from './context.ts';
import { receiveWebhook } from './receive-webhook.ts';
import { reverseOrder } from './reverse-order.ts';
import { sendWebhooks } from './sandbox/send-webhooks.ts';
import { signWebhook } from './sandbox/signature.ts';
import { databaseNow, findPayment } from './store.ts';
import { booksOf, createTestContext, eventsOf, newCharge } from './test-context.ts';

let engine: Engine;
let database: Database;
let context: PaymentContext;
const secret = async () => 'whsec_test';

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('payment', 'payments'));
  context = createTestContext(database);
});
afterAll(() => engine.close());

/** A well signed request to the webhook's route. */
async function signed(body: unknown, provider = 'sandbox') {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const signature = signWebhook(bytes, await secret(), await databaseNow(database));
  return { provider, bytes, headers: new Headers({ 'webhook-signature': signature }) };
}

const captureOf = (key: string, id = uuidv7()) => ({ id, type: 'charge.captured', data: { key } });

describe('a webhook', () => {
  test('settles an authorization once, and tells of it', async () => {
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    const request = await signed(captureOf(charge.paymentId));
    await Promise.all([1, 2, 3].map(() => receiveWebhook(context, secret, request)));
    expect(await findPayment(database, charge.paymentId)).toMatchObject({ status: 'captured', version: 3 });
    expect(await eventsOf(database, charge.paymentId)).toEqual([
      {
        type: 'payment.settled.v1',
        data: { paymentId: charge.paymentId, orderId: charge.orderId, state: 'captured' },
      },
    ]);
  });

  test('with an id that came before changes nothing, whatever else it says', async () => {
    const [first, second] = [newCharge('tok_later'), newCharge('tok_later')];
    await chargeOrder(context, first);
    await chargeOrder(context, second);
    const id = uuidv7();
    await receiveWebhook(context, secret, await signed(captureOf(first.paymentId, id)));
    await receiveWebhook(context, secret, await signed(captureOf(second.paymentId, id)));
    expect(await findPayment(database, second.paymentId)).toMatchObject({ status: 'authorized' });
  });

  test('changes no outcome that is final', async () => {
    const charge = newCharge('tok_declined');
    await chargeOrder(context, charge);
    await receiveWebhook(context, secret, await signed(captureOf(charge.paymentId)));
    expect(await findPayment(database, charge.paymentId)).toMatchObject({ status: 'failed', version: 2 });
    expect(await eventsOf(database, charge.paymentId)).toEqual([]);
  });

  test('about a payment that is not ours is taken and left', async () => {
    const key = uuidv7();
    await receiveWebhook(context, secret, await signed(captureOf(key)));
    expect(await findPayment(database, key)).toBeUndefined();
  });

  test('badly signed is refused and changes nothing', async () => {
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    const request = await signed(captureOf(charge.paymentId));
    const forged = { ...request, bytes: Buffer.from(`${request.bytes} `) };
    await expect(receiveWebhook(context, secret, forged)).rejects.toMatchObject({
      code: 'invalid_signature',
    });
    expect(await findPayment(database, charge.paymentId)).toMatchObject({ status: 'authorized' });
  });

  test.each(['not json', [], {}, { id: 'x', type: 'charge.captured', data: { key: 'x' } }])(
    'well signed but unreadable (%j) is invalid',
    async (body) => {
      const request = await signed(body);
      await expect(receiveWebhook(context, secret, request)).rejects.toMatchObject({
        kind: 'invalid',
        code: 'invalid_request',
      });
    },
  );

  test('of a provider this shop does not use is not found', async () => {
    const request = await signed(captureOf(uuidv7()), 'stripe');
    await expect(receiveWebhook(context, secret, request)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('of a capture after the order was given up gives the money back once', async () => {
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    await makeWebhooksDue();
    const callPublicApi = () => Promise.reject(new Error('lost'));
    await sendWebhooks({ database, log: pino({ level: 'silent' }), callPublicApi }, secret);
    const cutOff = createTestContext(database, () => ({ void: () => Promise.reject(new Error('down')) }));
    expect(await reverseOrder(cutOff, charge.orderId)).toEqual({ refunded: null, pending: true });
    const request = await signed(captureOf(charge.paymentId));
    await receiveWebhook(context, secret, request);
    await receiveWebhook(context, secret, request);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'captured', refunds: [1299] }]);
    expect(await eventsOf(database, charge.paymentId)).toMatchObject([
      { type: 'payment.late_capture_refunded.v1' },
    ]);
    expect(await reverseOrder(context, charge.orderId)).toEqual({ refunded: null, pending: false });
  });
});

async function makeWebhooksDue(): Promise<void> {
  await database.rows(sql`update payments.sandbox_webhook set due_at = now() where due_at is not null`);
}

describe('the sandbox, sending', () => {
  /** Sends what is due to a shop that answers with these statuses in turn; returns what it was sent. */
  async function sendTo(...statuses: (number | 'lost')[]) {
    const sent: { id: string; key: string; type: string }[] = [];
    for (const status of statuses) {
      await makeWebhooksDue();
      const callPublicApi = async (path: string, init: RequestInit) => {
        expect(path).toBe('/api/v1/payments/webhooks/sandbox');
        const bytes = Buffer.from(String(init.body));
        const headers = new Headers(init.headers);
        const event = context.provider.verifyWebhook(
          bytes,
          headers,
          await secret(),
          await databaseNow(database),
        );
        sent.push({ id: event?.id ?? '', key: event?.key ?? '', type: event?.outcome.state ?? '' });
        if (status === 'lost') throw new Error('connection reset');
        return new Response(null, { status });
      };
      await sendWebhooks({ database, log: pino({ level: 'silent' }), callPublicApi }, secret);
    }
    return sent;
  }

  test('tells of a capture until it was answered with 2xx, by one id', async () => {
    await sendTo(200);
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    const sent = await sendTo(503, 'lost', 400, 200, 200, 200);
    expect(sent.map(({ key, type }) => [key, type])).toEqual(Array(4).fill([charge.paymentId, 'captured']));
    expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  });

  test('sends nothing before its time', async () => {
    await sendTo(200);
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    await database.rows(
      sql`update payments.sandbox_webhook set due_at = now() + interval '1 hour' where due_at is not null`,
    );
    const callPublicApi = () => Promise.reject(new Error('nothing is due'));
    await sendWebhooks({ database, log: pino({ level: 'silent' }), callPublicApi }, secret);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'authorized' }]);
  });

  test('does not capture what was voided meanwhile, and says so', async () => {
    await sendTo(200);
    const charge = newCharge('tok_later');
    await chargeOrder(context, charge);
    await reverseOrder(context, charge.orderId);
    expect(await sendTo(200)).toMatchObject([{ key: charge.paymentId, type: 'voided' }]);
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'voided' }]);
  });
});
