import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allMetrics, allModules } from './compose.ts';
import type { Routes } from './http/route.ts';
import { fullPath } from './http/route-path.ts';
import { renderMetricsPage } from './metrics-page.ts';
import type { MetricSpec } from './telemetry/instruments.ts';
import { startShop, type TestShop } from './testing/shop.ts';
import { scrape, toldBy, unknownIn } from './testing/told-metrics.ts';

it('the page about metrics is written from the catalogue', async () => {
  await expect(renderMetricsPage(allMetrics)).toMatchFileSnapshot('../docs/metrics.md');
});

it('every metric has a name and a sentence of its own', () => {
  const own = (of: (metric: MetricSpec) => string) => new Set(allMetrics.map(of)).size;
  expect(own(({ name }) => name)).toBe(allMetrics.length);
  expect(own(({ help }) => help)).toBe(allMetrics.length);
  for (const { kind, name } of allMetrics) expect(name.endsWith('_total'), name).toBe(kind === 'counter');
});

describe('a shop in one process that trades a little', () => {
  let shop: TestShop;

  beforeAll(async () => {
    shop = await startShop({ config: { shadowRatio: 1 } });
    const { token: staff } = await shop.signUp('staff');
    const { token } = await shop.signUp();
    const variants = [{ sku: 'MUG', prices: [{ amount: 750, currency: 'GBP' }], onHand: 3 }];
    const made = await shop.request('POST', '/products', { token: staff, body: { name: 'Mug', variants } });
    for (const quantity of [2, 2]) {
      const items = [{ sku: 'MUG', quantity }];
      const body = { items, currency: 'GBP', payment: { method: 'card', token: 'tok_ok' } };
      const headers = { 'idempotency-key': `order-${crypto.randomUUID()}` };
      await shop.request('POST', '/orders', { token, body, headers });
    }
    await shop.request('GET', `/products/${made.body.id}`);
    await shop.request('GET', `/products/${made.body.id}`);
    await shop.settled();
  });
  afterAll(() => shop.stop());

  /** The value of the only sample of this name that has these labels. */
  async function value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
    const samples = await scrape(shop.shop.opsApp);
    const found = samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
    );
    expect(found.length, name).toBeLessThanOrEqual(1);
    return found[0]?.value;
  }

  it('tells everything that the catalogue says of such a process, and nothing else', async () => {
    const samples = await scrape(shop.shop.opsApp);
    expect(unknownIn(samples, allMetrics)).toEqual([]);
    const elsewhere: MetricSpec['toldBy'][] = ['redis', 'queues', 'peers', 'tls'];
    const expected = allMetrics.filter(({ toldBy }) => !elsewhere.includes(toldBy)).map(({ name }) => name);
    // Only between processes.
    const remote = ['banyan_forwarded_request_duration_seconds', 'banyan_contract_skew'];
    expect([...toldBy(samples, allMetrics)].sort()).toEqual(
      expected.filter((name) => !remote.includes(name)).sort(),
    );
  });

  it('counts what came of its trade', async () => {
    expect(await value('banyan_ready')).toBe(1);
    expect(await value('banyan_reservations_total', { outcome: 'reserved' })).toBe(1);
    expect(await value('banyan_stock_conflicts_total')).toBe(1);
    const place = { saga: 'place-order' };
    const ended = 'banyan_saga_duration_seconds_count';
    expect(await value(ended, { ...place, outcome: 'completed' })).toBe(1);
    expect(await value(ended, { ...place, outcome: 'compensated' })).toBe(1);
    const toMail = { module: 'order', consumer: 'notification' };
    expect(await value('banyan_deliveries_total', { ...toMail, outcome: 'done' })).toBe(1);
    expect(await value('banyan_delivery_lag_seconds_count', toMail)).toBe(1);
    expect(await value('banyan_outbox_pending', { module: 'order' })).toBe(0);
    expect(await value('banyan_cache_requests_total', { result: 'hit' })).toBeGreaterThan(0);
    await expect.poll(() => value('banyan_mails_total', { outcome: 'sent' }), { timeout: 10_000 }).toBe(1);
    expect(await value('banyan_jobs_total', { job: 'send-due-mail', outcome: 'failed' })).toBe(0);
  });

  it('has no more series after a thousand odd requests than after the first few', async () => {
    const odd = async (from: number, to: number) => {
      for (let n = from; n < to; n += 1) await shop.shop.publicApp.request(oddRequest(n));
      return await scrape(shop.shop.opsApp);
    };
    const before = await odd(0, ODD_PATHS.length * ODD_METHODS.length);
    const after = await odd(1_000, 2_000);
    expect(after.length).toBe(before.length);
    const routes = allModules.flatMap((module) => Object.values(module.routes as Routes));
    const paths = new Set([...routes.map((spec) => fullPath(spec)), '/docs', '/openapi.json']);
    for (const { labels } of after) {
      if (labels.route !== undefined && labels.route !== 'unmatched') expect(paths).toContain(labels.route);
      if (labels.method !== undefined) {
        expect(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'OTHER']).toContain(
          labels.method,
        );
      }
    }
  });
});

const ODD_PATHS: readonly ((n: number) => string)[] = [
  (n) => `/${n}`,
  (n) => `/api/v1/${n}`,
  (n) => `/api/v1/products/${n}`,
  (n) => `/api/v1/products/${n}/variants/${n}/stock/${n}`,
  (n) => `/api/v1/orders/${n}?page=${n}`,
  (n) => `/api/v2/products?n=${n}`,
  (n) => `/docs/${n}`,
  (n) => `/%${n}%zz/../${'a/'.repeat(n % 50)}`,
  (n) => `//metrics/${n}`,
  (n) => `/api/v1/users/${'x'.repeat(n % 900)}`,
];
const ODD_METHODS = ['BREW', 'PROPFIND', 'GET', 'POST', 'M-SEARCH'];

/** A request nobody should send, by a method and under a host that may be new as well. */
function oddRequest(n: number): Request {
  const path = ODD_PATHS[n % ODD_PATHS.length]!(n);
  const known = ODD_METHODS[Math.floor(n / ODD_PATHS.length) % ODD_METHODS.length]!;
  const method = known === 'BREW' ? `BREW${n}` : known;
  return new Request(`http://host-${n}.example${path}`, {
    method,
    headers: {
      host: `host-${n}.example`,
      'x-request-id': `odd-${n}`,
      'x-forwarded-for': `10.0.0.${n % 250}`,
    },
  });
}
