import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { armObstacle } from '../failpoint.ts';
import { type Collector, drawTrace, isQuery, startCollector } from '../testing/collector.ts';
import { testEngine } from '../testing/database.ts';
import { findFreePort } from '../testing/servers/free-port.ts';
import { startShop, type TestShop } from '../testing/shop.ts';
import { testRedis } from '../testing/test-database.ts';
import { createLogger } from './log.ts';
import type { ReceivedSpan } from './otlp.ts';
import { newTrace } from './trace-context.ts';
import { startTracing, type Tracing } from './tracing.ts';

/** A whole shop in one process: on the embedded database, and on Postgres with Redis. */
let shop: TestShop;
let collector: Collector;
let tracing: Tracing;
let customer: { userId: string; token: string };

beforeAll(async () => {
  // A batch is sent this soon; the SDK reads this one itself.
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  collector = await startCollector();
  const secret = () => `the secret of ${testRedis().prefix}, which nobody else has`;
  shop = await startShop({
    config: testEngine === 'postgres' ? { redisUrl: testRedis().url, serviceSecret: secret() } : {},
  });
  const { token } = await shop.signUp('staff');
  const variants = [{ sku: 'CUP', prices: [{ amount: 250, currency: 'GBP' }], onHand: 1_000 }];
  const made = await shop.request('POST', '/products', { token, body: { name: 'Cup', variants } });
  expect(made.status).toBe(201);
  customer = await shop.signUp();
  await shop.settled();
  tracing = await sendTracesTo(collector.url);
});
afterAll(async () => {
  await tracing?.stop();
  await shop?.stop();
  await collector?.stop();
  vi.unstubAllEnvs();
});

function sendTracesTo(url: string): Promise<Tracing> {
  const traces = {
    url: `${url}/v1/traces`,
    headers: { 'x-team': 'shop' },
    serviceName: 'test-shop',
    sampler: { name: 'parentbased_always_on', ratio: 1 },
  } as const;
  const log = createLogger({ level: 'silent' });
  return startTracing({ traces, modules: undefined, roles: ['http', 'worker'] }, log);
}

/** The client's own span, as `traceparent`. */
function clientSpan(sampled = true) {
  const { traceId, spanId } = newTrace();
  return { traceId, spanId, header: `00-${traceId}-${spanId}-${sampled ? '01' : '00'}` };
}

function place(traceparent: string, body: object = {}) {
  return shop.request('POST', '/orders', {
    token: customer.token,
    headers: { 'idempotency-key': crypto.randomUUID(), traceparent },
    body: {
      items: [{ sku: 'CUP', quantity: 1 }],
      currency: 'GBP',
      payment: { method: 'card', token: 'tok_ok' },
      ...body,
    },
  });
}

function received(traceId: string): ReceivedSpan[] {
  return collector.spans.filter((span) => span.traceId === traceId);
}

/** Draws a trace without its queries, as soon as it looks as wanted, or after a while as it is. */
const trace = (traceId: string, label?: (span: ReceivedSpan) => string) =>
  expect.poll(
    () =>
      drawTrace(
        received(traceId).filter((span) => !isQuery(span)),
        label,
      ),
    { timeout: 20_000 },
  );

const tree = (text: string) => text.replaceAll(/^ {4}/gm, '').trim();

test('a paid order is one trace, from the client to its mail', async () => {
  const client = clientSpan();
  const answer = await place(client.header);
  expect(answer.status).toBe(201);
  await trace(client.traceId).toBe(
    tree(`
    server POST /api/v1/orders
      internal TRANSACTION orders
      internal product/quote
      internal saga place-order
        internal TRANSACTION orders
          producer create order.paid.v1
            consumer process order.paid.v1
              client send mail
              internal TRANSACTION notifications
              internal order/receipts
              internal user/profiles
            consumer process order.paid.v1
              internal TRANSACTION products
        internal step charge
          internal payment/charge
            internal TRANSACTION payments
        internal step reserve
          internal product/reserve
            internal TRANSACTION products`),
  );
  const spans = received(client.traceId);
  const server = spans.find(({ kind }) => kind === 'server')!;
  expect(server.parentId).toBe(client.spanId);
  expect(server.attributes).toEqual({
    'http.request.method': 'POST',
    'http.route': '/api/v1/orders',
    'http.response.status_code': 201,
    'url.path': '/api/v1/orders',
    'url.scheme': 'http',
  });
  expect(server.resource).toMatchObject({
    'service.name': 'test-shop',
    'service.version': expect.any(String),
    'service.instance.id': expect.any(String),
    'banyan.modules': ['all'],
    'banyan.roles': ['http', 'worker'],
  });
  expect(collector.headers['x-team']).toBe('shop');
});

test('statements are told with placeholders, and nothing is told of anybody', async () => {
  const client = clientSpan();
  const address = {
    name: 'Ann Onymous',
    line1: '1 Elm Street',
    city: 'Leeds',
    postalCode: 'LS1',
    country: 'GB',
  };
  const answer = await place(client.header, { shippingAddress: address });
  expect(answer.status).toBe(201);
  const isSent = () => received(client.traceId).some(({ name }) => name === 'send mail');
  await expect.poll(isSent, { timeout: 20_000 }).toBe(true);
  const insert = received(client.traceId).find(({ name }) => name.startsWith('INSERT notifications.mail'));
  expect(insert).toMatchObject({
    kind: 'client',
    attributes: {
      'db.system.name': 'postgresql',
      'db.namespace': 'notifications',
      'db.operation.name': 'INSERT',
      'db.collection.name': 'notifications.mail',
      'db.query.text': expect.stringMatching(/unnest\(\$1::uuid\[\], \$2::uuid\[\]/),
    },
  });
  const told = JSON.stringify(received(client.traceId), (_, value) =>
    typeof value === 'bigint' ? '' : value,
  );
  for (const secret of ['Elm Street', 'Onymous', '@example.com', 'tok_ok', customer.token, customer.userId]) {
    expect(told).not.toContain(secret);
  }
});

test('each try of a consumer is a span, linked to its event and to the try that failed', async () => {
  let failures = 0;
  armObstacle(async (consumer) => {
    if (consumer !== 'notification' || failures > 0) return;
    failures += 1;
    throw new TypeError('in the way');
  });
  const client = clientSpan();
  expect((await place(client.header)).status).toBe(201);
  const byTry = ({ attributes }: ReceivedSpan) => {
    const consumer = attributes['messaging.destination.subscription.name'];
    return consumer === undefined ? '' : ` (${consumer}, ${attributes['banyan.attempts']})`;
  };
  const onRedis =
    testEngine === 'postgres' ? '\n            client send order.paid.v1 (notification, 1)' : '';
  await trace(client.traceId, byTry).toBe(
    tree(`
    server POST /api/v1/orders
      internal TRANSACTION orders
      internal product/quote
      internal saga place-order
        internal TRANSACTION orders
          producer create order.paid.v1${onRedis}
            consumer process order.paid.v1 (notification, 0) !
            consumer process order.paid.v1 (notification, 1)
              client send mail
              internal TRANSACTION notifications
              internal order/receipts
              internal user/profiles
            consumer process order.paid.v1 (product, 0)
              internal TRANSACTION products
        internal step charge
          internal payment/charge
            internal TRANSACTION payments
        internal step reserve
          internal product/reserve
            internal TRANSACTION products`),
  );
  const created = received(client.traceId).find(({ kind }) => kind === 'producer')!;
  const [first, second] = [0, 1].map((attempts) =>
    received(client.traceId).find(
      (span) => byTry(span) === ` (notification, ${attempts})` && span.kind === 'consumer',
    ),
  );
  const link = ({ traceId, spanId }: ReceivedSpan) => ({ traceId, spanId });
  expect(first!.links).toEqual([link(created)]);
  expect(first!.attributes['error.type']).toBe('TypeError');
  expect(second!.links).toEqual([link(created), link(first!)]);
});

test('what its caller does not record is recorded nowhere, and says so to whoever goes on', async () => {
  const [silent, loud] = [clientSpan(false), clientSpan()];
  const { status, body } = await place(silent.header);
  expect(status).toBe(201);
  await place(loud.header);
  const isSent = () => received(loud.traceId).some(({ name }) => name === 'send mail');
  await expect.poll(isSent, { timeout: 20_000 }).toBe(true);
  await shop.settled();
  expect(received(silent.traceId)).toEqual([]);
  const rows = await shop.database('order').rows(sql`
    select trace from orders.outbox where stream = ${`order:${body.id}`}`);
  expect(rows).toEqual([{ trace: expect.stringMatching(`^00-${silent.traceId}-[0-9a-f]{16}-00$`) }]);
});

test('a client that is told of a problem can have its trace looked up', async () => {
  const answer = await shop.request('GET', '/orders');
  expect(answer.status).toBe(401);
  await trace(answer.body.traceId).toBe('server GET /api/v1/orders');
});

test('an import goes on in the trace of its request', async () => {
  const client = clientSpan();
  const { token } = await shop.signUp('staff');
  const { status } = await shop.request('POST', '/products/import', {
    token,
    headers: { 'content-type': 'text/csv', traceparent: client.header },
    raw: 'sku,name,price_minor,currency,on_hand\nPOT,Pot,500,GBP,3\n',
  });
  expect(status).toBe(202);
  await trace(client.traceId).toMatch(/consumer job catalogue-import\n +internal TRANSACTION products/);
});

test('an order is paid, and its mail sent, while the collector is away', async () => {
  await tracing.stop();
  tracing = await sendTracesTo(`http://127.0.0.1:${await findFreePort()}`);
  const { status, body } = await place(clientSpan().header);
  expect([status, body.status]).toEqual([201, 'paid']);
  await shop.settled();
  const queued = sql`select 1 as one from notifications.mail where state = 'queued'`;
  await expect.poll(() => shop.database('notification').rows(queued), { timeout: 20_000 }).toEqual([]);
});
