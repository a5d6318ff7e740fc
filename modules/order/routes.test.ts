import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startShop, type TestShop } from '#platform/testing/shop';
import { createFakeNeeds } from './fake-needs.ts';
import { orderModule } from './module.ts';

const needs = createFakeNeeds();
let shop: TestShop;
let staff: { userId: string; token: string };
let keys = 0;

beforeAll(async () => {
  const fakes = { product: needs.product, payment: needs.payment, user: needs.user };
  shop = await startShop({ modules: [orderModule], fakes });
  staff = await shop.signUp('staff');
  needs.stock.set('MUG', 1_000).set('TEE', 1_000);
});

afterAll(() => shop.stop());

type Account = { userId: string; token: string };

async function place(by: Account, card: string | undefined = 'tok_ok', body: object = {}): Promise<string> {
  const placed = await shop.request('POST', '/orders', {
    token: by.token,
    body: {
      items: [{ sku: 'MUG', quantity: 2 }],
      currency: 'GBP',
      ...(card && { payment: { method: 'card', token: card } }),
      ...body,
    },
    headers: { 'idempotency-key': `key-${++keys}` },
  });
  expect(placed.status).toBe(201);
  return placed.body.id;
}

const get = (path: string, by: Account, headers: Record<string, string> = {}) =>
  shop.request('GET', path, { token: by.token, headers });

const post = (path: string, by: Account, body?: object, headers: Record<string, string> = {}) =>
  shop.request('POST', path, { token: by.token, body, headers });

describe('reading an order', () => {
  it('is for its owner and for staff; for others it does not exist', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner);
    for (const path of [`/orders/${orderId}`, `/orders/${orderId}/events`]) {
      expect((await get(path, owner)).status).toBe(200);
      expect((await get(path, staff)).status).toBe(200);
      expect(await get(path, await shop.signUp())).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
      expect((await shop.request('GET', path)).status).toBe(401);
    }
    expect((await get('/orders/not-an-id', owner)).status).toBe(404);
    expect((await get('/orders/0192aaaa-0000-7000-8000-000000000001', staff)).status).toBe(404);
  });

  it('has an ETag by which an unchanged order is not sent again', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner);
    const etag = (await get(`/orders/${orderId}`, owner)).headers.get('etag') ?? '';
    expect(etag).toMatch(/^"2\./);
    expect((await get(`/orders/${orderId}`, owner, { 'if-none-match': etag })).status).toBe(304);
    await post(`/orders/${orderId}/ship`, staff, { trackingNumber: 'T-1' });
    expect((await get(`/orders/${orderId}`, owner, { 'if-none-match': etag })).status).toBe(200);
  });

  it('expands what is asked for, asking each module once', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner, 'tok_ok', {
      items: [
        { sku: 'MUG', quantity: 1 },
        { sku: 'TEE', quantity: 1 },
      ],
    });
    const at = '2026-01-01T00:00:00.000Z';
    const user = { id: owner.userId, email: 'ada@example.com', username: 'ada', role: 'customer' as const };
    needs.users.set(owner.userId, { ...user, createdAt: at, updatedAt: at });
    const plain = await get(`/orders/${orderId}`, owner);
    needs.calls.length = 0;
    const expanded = await get(`/orders/${orderId}?expand=user,items.product,payment`, owner);
    expect(needs.calls.sort()).toEqual(['payment.payments', 'product.productsBySku', 'user.profiles']);
    expect(expanded.body).toMatchObject({
      ...plain.body,
      user: { username: 'ada' },
      payment: { id: plain.body.paymentId, status: 'captured' },
      items: [
        { sku: 'MUG', product: { slug: 'product-MUG' } },
        { sku: 'TEE', product: { slug: 'product-TEE' } },
      ],
    });
    expect(plain.body).not.toHaveProperty('user');
  });

  it('expands to null what is not there any more, or not yet', async () => {
    const owner = await shop.signUp();
    needs.stock.set('GONE', 1);
    const orderId = await place(owner, '', { items: [{ sku: 'GONE', quantity: 1 }] });
    needs.stock.delete('GONE');
    const { body } = await get(`/orders/${orderId}?expand=user,items.product,payment`, owner);
    expect(body).toMatchObject({ user: null, payment: null, items: [{ product: null }] });
  });

  it('refuses to expand what it does not know', async () => {
    const owner = await shop.signUp();
    const refused = await get(`/orders/${await place(owner)}?expand=user,secrets`, owner);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('shows its history as it happened', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner, '');
    await post(`/orders/${orderId}/cancel`, owner, { reason: 'too slow' });
    const { body } = await get(`/orders/${orderId}/events`, owner);
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
    expect(body).toEqual([
      { version: 1, type: 'order.created', at, data: expect.objectContaining({ currency: 'GBP' }) },
      { version: 2, type: 'order.awaiting_payment', at, data: {} },
      { version: 3, type: 'order.cancelled', at, data: { reason: 'too slow', by: 'customer' } },
    ]);
  });
});

describe('listing orders', () => {
  it('shows customers their own, newest first, page by page, stable under inserts', async () => {
    const owner = await shop.signUp();
    await place(await shop.signUp());
    const ids = [await place(owner), await place(owner), await place(owner)].reverse();
    const first = await get('/orders?limit=2', owner);
    expect(first.body.data.map((order: { id: string }) => order.id)).toEqual(ids.slice(0, 2));
    await place(owner);
    const second = await get(`/orders?limit=2&cursor=${encodeURIComponent(first.body.nextCursor)}`, owner);
    expect(second.body.data.map((order: { id: string }) => order.id)).toEqual(ids.slice(2));
    expect(second.body.nextCursor).toBeNull();
  });

  it('shows staff all, and one customer on demand', async () => {
    const [one, two] = [await shop.signUp(), await shop.signUp()];
    const ids = [await place(one), await place(two)];
    const all = await get('/orders?limit=2', staff);
    expect(all.body.data.map((order: { id: string }) => order.id)).toEqual(ids.reverse());
    const ofOne = await get(`/orders?userId=${one.userId}`, staff);
    expect(ofOne.body.data).toMatchObject([{ userId: one.userId }]);
  });

  it("shows a customer nothing of somebody else's", async () => {
    const [one, two] = [await shop.signUp(), await shop.signUp()];
    await place(one);
    await place(two);
    expect((await get(`/orders?userId=${one.userId}`, two)).body).toEqual({ data: [], nextCursor: null });
    expect((await get(`/orders?userId=${two.userId}`, two)).body.data).toHaveLength(1);
  });

  it('narrows by status and by time', async () => {
    const owner = await shop.signUp();
    const [paid, unpaid] = [await place(owner), await place(owner, '')];
    const ids = async (query: string) =>
      (await get(`/orders?${query}`, owner)).body.data.map((order: { id: string }) => order.id);
    expect(await ids('status=paid')).toEqual([paid]);
    expect(await ids('status=awaiting_payment')).toEqual([unpaid]);
    expect(await ids('status=shipped')).toEqual([]);
    await shop.database('order').rows(sql`
      update orders.order_view set created_at = '2026-01-02T10:00:00Z' where id = ${paid}::uuid`);
    expect(await ids('to=2026-01-03')).toEqual([paid]);
    expect(await ids('from=2026-01-02T11:00:00%2B01:00&to=2026-01-02T10:00:01Z')).toEqual([paid]);
    expect(await ids('from=2026-01-02T10:00:00.001Z')).toEqual([unpaid]);
    expect(await ids('to=2026-01-02T10:00:00Z')).toEqual([]);
  });

  it.each([
    'status=lost',
    'userId=me',
    'from=yesterday',
    'from=0000-01-01',
    'to=2026-01-01T00:00:00%2B23:00',
    'limit=0',
    'cursor=forged',
  ])('refuses %s', async (query) => {
    expect((await get(`/orders?${query}`, staff)).status).toBe(400);
  });

  it('refuses a cursor of another filter', async () => {
    const owner = await shop.signUp();
    await place(owner);
    await place(owner);
    const { nextCursor } = (await get('/orders?limit=1', owner)).body;
    const other = await get(`/orders?status=paid&cursor=${encodeURIComponent(nextCursor)}`, owner);
    expect(other).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });

  it('looks each filter up by an index', async () => {
    const database = shop.database('order');
    const filters = [
      sql`true`,
      sql`user_id = '0192aaaa-0000-7000-8000-000000000001'`,
      sql`status = 'paid'`,
      sql`status = 'awaiting_payment' and created_at < now()`,
      sql`user_id = '0192aaaa-0000-7000-8000-000000000001' and created_at >= '2026-01-01' and created_at < now()`,
    ];
    for (const filter of filters) {
      const plan = await database.transaction(async (tx) => {
        // The test's table is too small for an index to pay, so the plan is asked for as if scans were dear.
        await tx.rows(sql`set local enable_seqscan = off`);
        return await tx.rows(sql`
          explain select id from orders.order_view where ${filter}
          order by created_at desc, id desc limit 20`);
      });
      expect(JSON.stringify(plan)).toContain('Index');
      expect(JSON.stringify(plan)).not.toContain('Sort');
    }
  });
});

describe('shipping and delivering', () => {
  it('moves a paid order on, once', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner);
    const shipped = await post(`/orders/${orderId}/ship`, staff, { trackingNumber: 'T-1', carrier: 'Post' });
    expect(shipped).toMatchObject({
      status: 200,
      body: { status: 'shipped', trackingNumber: 'T-1', version: 3 },
    });
    const again = await post(`/orders/${orderId}/ship`, staff, { trackingNumber: 'T-2' });
    expect(again.body).toEqual(shipped.body);
    const delivered = await post(`/orders/${orderId}/deliver`, staff);
    expect(delivered).toMatchObject({ status: 200, body: { status: 'delivered', version: 4 } });
    expect((await post(`/orders/${orderId}/deliver`, staff)).body).toEqual(delivered.body);
    const published = await shop.database('order').rows(sql`
      select type, version, data ->> 'carrier' as carrier from orders.outbox
      where stream = ${`order:${orderId}`} order by version`);
    expect(published).toEqual([
      { type: 'order.paid.v1', version: 2, carrier: null },
      { type: 'order.shipped.v1', version: 3, carrier: 'Post' },
    ]);
  });

  it('keeps the address in the answer and out of what is stored under a key', async () => {
    const owner = await shop.signUp();
    const shippingAddress = { line1: '9 Castle Lane' };
    const orderId = await place(owner, 'tok_ok', { shippingAddress });
    const headers = { 'idempotency-key': 'ship-once' };
    const ship = () => post(`/orders/${orderId}/ship`, staff, { trackingNumber: 'T-1' }, headers);
    expect((await ship()).body.shippingAddress).toEqual(shippingAddress);
    const again = await ship();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body.shippingAddress).toEqual(shippingAddress);
    const stored = await shop.database('order').rows(sql`
      select 1 from orders.idempotency where body like '%Castle Lane%'`);
    expect(stored).toEqual([]);
  });

  it('is impossible before the step that comes first', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner, '');
    const refused = { status: 409, body: { code: 'invalid_transition' } };
    expect(await post(`/orders/${orderId}/ship`, staff, { trackingNumber: 'T' })).toMatchObject(refused);
    expect(await post(`/orders/${orderId}/deliver`, staff)).toMatchObject(refused);
  });

  it('is for staff', async () => {
    const owner = await shop.signUp();
    const orderId = await place(owner);
    expect((await post(`/orders/${orderId}/ship`, owner, { trackingNumber: 'T' })).status).toBe(403);
    expect((await post(`/orders/${orderId}/deliver`, owner)).status).toBe(403);
    expect((await get(`/orders/${orderId}`, owner)).body.status).toBe('paid');
  });

  it('with a stale If-Match is refused', async () => {
    const orderId = await place(await shop.signUp());
    const ship = (etag: string) =>
      post(`/orders/${orderId}/ship`, staff, { trackingNumber: 'T' }, { 'if-match': etag });
    expect(await ship('"1.x"')).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    expect((await ship('W/"2.x"')).status).toBe(200);
  });

  it('of an order that does not exist is not found', async () => {
    const path = '/orders/0192aaaa-0000-7000-8000-000000000001';
    expect((await post(`${path}/ship`, staff, { trackingNumber: 'T' })).status).toBe(404);
    expect((await post(`${path}/deliver`, staff)).status).toBe(404);
  });

  it('refuses what it does not know', async () => {
    const orderId = await place(await shop.signUp());
    for (const body of [{}, { trackingNumber: '' }, { trackingNumber: 'T', status: 'delivered' }]) {
      expect((await post(`/orders/${orderId}/ship`, staff, body)).status).toBe(400);
    }
    expect((await post(`/orders/${orderId}/deliver`, staff, { at: 'noon' })).status).toBe(400);
  });
});

describe("the contract's receipts", () => {
  it('show number, items and total of each order, and leave out orders that do not exist', async () => {
    const owner = await shop.signUp();
    const orderIds = [await place(owner), await place(owner)];
    const api = shop.api(orderModule.contract);
    const unknown = '0192aaaa-0000-7000-8000-000000000001';
    const { receipts } = await api.receipts({ orderIds: [unknown, ...orderIds] });
    expect(receipts.map(({ orderId }) => orderId).sort()).toEqual(orderIds.sort());
    for (const receipt of receipts) {
      expect(receipt).toMatchObject({
        number: expect.stringMatching(/^B-/),
        userId: owner.userId,
        items: [{ sku: 'MUG', quantity: 2 }],
        total: { amount: 1000, currency: 'GBP' },
      });
    }
  });
});
