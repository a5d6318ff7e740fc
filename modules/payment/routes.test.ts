import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { paymentContract, paymentSchema } from './contract.ts';
import { paymentModule } from './module.ts';
import { refundSchema } from './routes.ts';
import { signWebhook } from './sandbox/signature.ts';
import { booksOf, eventsOf, newCharge } from './test-context.ts';

const secret = 'a secret that the provider shares with us';
type Person = Awaited<ReturnType<TestShop['signUp']>>;
let shop: TestShop;
let owner: Person;
let stranger: Person;
let staff: Person;

beforeAll(async () => {
  shop = await startShop({ modules: [paymentModule], config: { paymentWebhookSecret: secret } });
  [owner, stranger, staff] = await Promise.all([shop.signUp(), shop.signUp(), shop.signUp('staff')]);
});
afterAll(() => shop.stop());

async function charged(token = 'tok_ok') {
  const charge = newCharge(token, { userId: owner.userId });
  await shop.api(paymentContract).charge({ ...charge, method: 'card' });
  return charge;
}

describe('GET /payments/{id}', () => {
  test('shows a payment to its owner and to staff', async () => {
    const { paymentId, orderId, amount } = await charged();
    for (const { token } of [owner, staff]) {
      const answer = await shop.request('GET', `/payments/${paymentId}`, { token });
      expect(answer.status).toBe(200);
      expect(paymentSchema.strict().parse(answer.body)).toMatchObject({
        id: paymentId,
        orderId,
        amount,
        status: 'captured',
        provider: 'sandbox',
      });
    }
  });

  test('is not found for anyone else, and neither is an unknown or malformed id', async () => {
    const { paymentId } = await charged();
    const answers = [
      await shop.request('GET', `/payments/${paymentId}`, { token: stranger.token }),
      await shop.request('GET', `/payments/${uuidv7()}`, { token: owner.token }),
      await shop.request('GET', '/payments/17', { token: owner.token }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(404);
      expect(body.code).toBe('not_found');
    }
  });

  test('needs a token', async () => {
    const { paymentId } = await charged();
    expect((await shop.request('GET', `/payments/${paymentId}`)).status).toBe(401);
  });

  test('does not show a charge that has no outcome yet', async () => {
    const id = uuidv7();
    await shop.database('payment').rows(sql`
      insert into payments.payment (id, order_id, user_id, provider, amount, currency, due_at)
      values (${id}::uuid, ${uuidv7()}::uuid, ${owner.userId}::uuid, 'sandbox', 5, 'GBP', now() + interval '1 day')`);
    for (const { token } of [owner, staff]) {
      expect((await shop.request('GET', `/payments/${id}`, { token })).status).toBe(404);
    }
  });

  test('has an ETag that changes when money goes back', async () => {
    const { paymentId } = await charged();
    const first = await shop.request('GET', `/payments/${paymentId}`, { token: owner.token });
    const etag = first.headers.get('etag') ?? '';
    const headers = { 'if-none-match': etag };
    const again = await shop.request('GET', `/payments/${paymentId}`, { token: owner.token, headers });
    expect(again.status).toBe(304);
    await refund(paymentId, { amount: { amount: 1, currency: 'GBP' }, reason: 'broken' });
    const later = await shop.request('GET', `/payments/${paymentId}`, { token: owner.token, headers });
    expect(later.status).toBe(200);
    expect(later.body).toMatchObject({ status: 'partially_refunded', refunded: { amount: 1 } });
  });
});

const part = { amount: { amount: 300, currency: 'GBP' }, reason: 'arrived broken' };

async function refund(paymentId: string, body: unknown, options: { key?: string; token?: string } = {}) {
  const { key = uuidv7(), token = staff.token } = options;
  const headers = { 'idempotency-key': key };
  return await shop.request('POST', `/payments/${paymentId}/refunds`, { token, body, headers });
}

describe('POST /payments/{id}/refunds', () => {
  test('gives a part back, and then the rest', async () => {
    const { paymentId } = await charged();
    const first = await refund(paymentId, part);
    expect(first.status).toBe(201);
    expect(refundSchema.strict().parse(first.body)).toMatchObject({ paymentId, ...part });
    expect((await refund(paymentId, { ...part, amount: { amount: 999, currency: 'GBP' } })).status).toBe(201);
    const payment = await shop.request('GET', `/payments/${paymentId}`, { token: owner.token });
    expect(payment.body).toMatchObject({ status: 'refunded', refunded: { amount: 1299 } });
    expect(await booksOf(shop.database('payment'), paymentId)).toMatchObject([{ refunds: [300, 999] }]);
  });

  test('with a key that was used gives the same answer and nothing more', async () => {
    const { paymentId } = await charged();
    const key = uuidv7();
    const first = await refund(paymentId, part, { key });
    const again = await refund(paymentId, part, { key });
    expect(again.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await booksOf(shop.database('payment'), paymentId)).toMatchObject([{ refunds: [300] }]);
    const other = await refund(paymentId, { ...part, reason: 'another' }, { key });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  });

  test('of more than is left is refused, and says what is left', async () => {
    const { paymentId } = await charged();
    await refund(paymentId, part);
    const key = uuidv7();
    const tooMuch = { ...part, amount: { amount: 1000, currency: 'GBP' } };
    const answer = await refund(paymentId, tooMuch, { key });
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'refund_exceeds_capture', left: { amount: 999 } });
    const again = await refund(paymentId, tooMuch, { key });
    expect([again.status, again.body]).toEqual([409, answer.body]);
  });

  test.each(['tok_later', 'tok_declined'])(
    'of a payment that is not captured (%s) is impossible',
    async (token) => {
      const { paymentId, orderId } = await charged(token);
      // Taken back, so that the authorization can not be captured meanwhile.
      await shop.api(paymentContract).reverse({ orderId });
      const answer = await refund(paymentId, part);
      expect([answer.status, answer.body.code]).toEqual([409, 'invalid_transition']);
    },
  );

  test('in another currency is unprocessable', async () => {
    const { paymentId } = await charged();
    const answer = await refund(paymentId, { ...part, amount: { amount: 1, currency: 'EUR' } });
    expect([answer.status, answer.body.code]).toEqual([422, 'currency_mismatch']);
  });

  test('needs a key', async () => {
    const { paymentId } = await charged();
    const path = `/payments/${paymentId}/refunds`;
    const answer = await shop.request('POST', path, { token: staff.token, body: part });
    expect([answer.status, answer.body.code]).toEqual([400, 'idempotency_key_missing']);
  });

  test('is for staff: not for the owner, and not without a token', async () => {
    const { paymentId } = await charged();
    expect((await refund(paymentId, part, { token: owner.token })).status).toBe(403);
    expect((await refund(paymentId, part, { token: '' })).status).toBe(401);
    expect(await booksOf(shop.database('payment'), paymentId)).toMatchObject([{ refunds: [] }]);
  });

  test('of an unknown payment is not found', async () => {
    expect((await refund(uuidv7(), part)).status).toBe(404);
    expect((await refund('17', part)).status).toBe(404);
  });

  test.each([
    { ...part, status: 'refunded' },
    { ...part, amount: { ...part.amount, price: 1 } },
    { ...part, amount: { amount: 0, currency: 'GBP' } },
    { ...part, amount: { amount: -1, currency: 'GBP' } },
    { ...part, amount: { amount: 0.5, currency: 'GBP' } },
    { ...part, amount: { amount: 2 ** 53, currency: 'GBP' } },
    { ...part, amount: { amount: 1, currency: 'gbp' } },
    { ...part, amount: 300 },
    { amount: part.amount },
    { ...part, reason: '' },
    { ...part, reason: 'x'.repeat(501) },
    { ...part, reason: 'a\0b' },
    { ...part, reason: '\ud800' },
  ])('refuses the body %j', async (body) => {
    const { paymentId } = await charged();
    const answer = await refund(paymentId, body);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });
});

describe('POST /payments/webhooks/{provider}', () => {
  async function send(body: string, signature: string | undefined, provider = 'sandbox') {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (signature !== undefined) headers['webhook-signature'] = signature;
    return await shop.request('POST', `/payments/webhooks/${provider}`, { raw: body, headers });
  }

  const eventOf = (key: string) =>
    JSON.stringify({ id: uuidv7(), type: 'charge.captured', data: { key }, extra: 'as providers have it' });
  const sign = (body: string, at = Date.now()) => signWebhook(Buffer.from(body), secret, new Date(at));

  test('takes a signed event, and again without effect', async () => {
    const { paymentId } = await charged('tok_later');
    const body = eventOf(paymentId);
    for (const answer of [await send(body, sign(body)), await send(body, sign(body))]) {
      expect([answer.status, answer.body]).toEqual([200, { received: true }]);
    }
    const payment = await shop.request('GET', `/payments/${paymentId}`, { token: owner.token });
    expect(payment.body.status).toBe('captured');
    expect(await eventsOf(shop.database('payment'), paymentId)).toHaveLength(1);
  });

  test('refuses what is not signed, wrongly signed, or signed too long ago', async () => {
    const body = eventOf(uuidv7());
    const forgeries = [undefined, '', 't=1,v1=00', sign(`${body} `), sign(body, Date.now() - 400_000)];
    for (const signature of forgeries) {
      const answer = await send(body, signature);
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_signature']);
    }
  });

  test('refuses a signed body that is no event', async () => {
    const answer = await send('[]', sign('[]'));
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
  });

  test('knows no other provider', async () => {
    const body = eventOf(uuidv7());
    expect((await send(body, sign(body), 'stripe')).status).toBe(404);
  });
});

test('tok_later is captured by the signed webhook that the sandbox sends by itself', async () => {
  const { paymentId } = await charged('tok_later');
  const status = async () =>
    (await shop.request('GET', `/payments/${paymentId}`, { token: owner.token })).body.status;
  expect(await status()).toBe('authorized');
  await expect.poll(status, { timeout: 20_000, interval: 100 }).toBe('captured');
  expect(await eventsOf(shop.database('payment'), paymentId)).toMatchObject([
    { type: 'payment.settled.v1', data: { state: 'captured' } },
  ]);
});

test('payments and settlements tell of orders, and leave out what was never charged', async () => {
  const { paymentId, orderId, amount } = await charged();
  await refund(paymentId, part);
  const second = newCharge('tok_declined', { orderId, userId: owner.userId });
  await shop.api(paymentContract).charge({ ...second, method: 'card' });
  const orderIds = [orderId, uuidv7()];
  const { payments } = await shop.api(paymentContract).payments({ orderIds });
  expect(payments).toMatchObject([
    { id: paymentId, orderId, status: 'partially_refunded', amount },
    { id: second.paymentId, orderId, status: 'failed' },
  ]);
  const { settlements } = await shop.api(paymentContract).settlements({ orderIds });
  expect(settlements).toEqual([
    { orderId, captures: 1, captured: 1299, refunded: 300, currency: 'GBP', pending: false },
  ]);
  expect(await shop.api(paymentContract).payments({ orderIds: [] })).toEqual({ payments: [] });
});
