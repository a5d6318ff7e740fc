import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Collector, drawTrace, isQuery, startCollector } from '../testing/collector.ts';
import { type RunningPlacement, spawnUp } from '../testing/spawn-up.ts';
import { createTestDatabase, type TestDatabase, testRedis } from '../testing/test-database.ts';
import type { ReceivedSpan } from './otlp.ts';
import { newTrace } from './trace-context.ts';

/** A gateway and every kind of way between processes: calls, passed-on requests, events by their queue. */
const PLACEMENT = `
description: A gateway, the sales, and the rest in two processes.
processes:
  gateway: { modules: [], roles: [http], public: true }
  sales: { modules: [order, payment], roles: [http, worker] }
  catalogue: { modules: [product], roles: [http, worker] }
  people: { modules: [user, notification], roles: [http, worker] }
`;

let dataDir: string;
let database: TestDatabase;
let collector: Collector;
let shop: RunningPlacement;
let url: string;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-traces-'));
  const placement = join(dataDir, 'traced.yaml');
  writeFileSync(placement, PLACEMENT);
  database = await createTestDatabase();
  collector = await startCollector();
  shop = await spawnUp(placement, dataDir, {
    DATABASE_URL: database.url,
    REDIS_URL: testRedis().url,
    SERVICE_SECRET: `the secret of ${database.name}, which nobody else has`,
    ADMIN_EMAIL: 'admin@example.com',
    ADMIN_PASSWORD: 'correct horse battery',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
  });
  url = shop.file().url;
}, 180_000);
afterAll(async () => {
  await shop?.end('SIGTERM');
  await collector?.stop();
  await database?.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function ask(path: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: bodies of several shapes.
  return { status: response.status, body: (await response.json()) as any };
}

async function logIn(email: string, password: string): Promise<{ authorization: string }> {
  const { body } = await ask('/auth/login', { email, password });
  return { authorization: `Bearer ${body.accessToken}` };
}

/** Which process a span is of, by its modules. */
function process({ resource }: ReceivedSpan): string {
  return ` @${(resource['banyan.modules'] as string[]).toSorted().join('+') || 'gateway'}`;
}

test('an order through a gateway and three processes is one trace', { timeout: 120_000 }, async () => {
  const staff = await logIn('admin@example.com', 'correct horse battery');
  const variants = [{ sku: 'CUP', prices: [{ amount: 250, currency: 'GBP' }], onHand: 10 }];
  expect((await ask('/products', { name: 'Cup', variants }, staff)).status).toBe(201);
  const account = { email: 'ann@example.com', username: 'ann', password: 'a long enough password' };
  await ask('/users', account);
  const customer = await logIn(account.email, account.password);
  const { traceId, spanId } = newTrace();
  const { status } = await ask(
    '/orders',
    {
      items: [{ sku: 'CUP', quantity: 1 }],
      currency: 'GBP',
      payment: { method: 'card', token: 'tok_ok' },
    },
    { ...customer, 'idempotency-key': 'one', traceparent: `00-${traceId}-${spanId}-01` },
  );
  expect(status).toBe(201);
  // Keys that check tokens are fetched when a process needs them first, by whichever request that is.
  const isOwn = (span: ReceivedSpan) => span.traceId === traceId && span.name !== 'user/jwks';
  const spans = () => collector.spans.filter((span) => isOwn(span) && !isQuery(span));
  const tree = `
    server POST /api/v1/orders @gateway
      client POST /api/v1/orders @gateway
        server POST /api/v1/orders @order+payment
          client product/quote @order+payment
            server product/quote @product
          internal TRANSACTION orders @order+payment
          internal saga place-order @order+payment
            internal TRANSACTION orders @order+payment
              producer create order.paid.v1 @order+payment
                client send order.paid.v1 @order+payment
                consumer process order.paid.v1 @notification+user
                  client order/receipts @notification+user
                    server order/receipts @order+payment
                  client send mail @notification+user
                  internal TRANSACTION notifications @notification+user
                  internal user/profiles @notification+user
                consumer process order.paid.v1 @product
                  internal TRANSACTION products @product
            internal step charge @order+payment
              internal payment/charge @order+payment
                internal TRANSACTION payments @order+payment
            internal step reserve @order+payment
              client product/reserve @order+payment
                server product/reserve @product
                  internal TRANSACTION products @product`;
  await expect
    .poll(() => drawTrace(spans(), process), { timeout: 30_000 })
    .toBe(tree.replaceAll(/^ {4}/gm, '').trim());
  const tops = spans().filter((span) => span.parentId === spanId);
  expect(tops.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['server POST /api/v1/orders']);
});
