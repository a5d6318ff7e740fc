import { describe, expect, it } from 'vitest';
import { allModules } from '../compose.ts';
import { createMetrics } from '../http/metrics.ts';
import { createCallMetrics } from '../rpc/observe.ts';
import { readMetrics } from '../telemetry/read-metrics.ts';
import { CALL_BYTES_PER_MS, CALL_ROUND_TRIP_MS } from './limits.ts';
import { chattyWarnings, networkCosts } from './network-cost.ts';
import { parsePlacement } from './placement.ts';
import { readTraffic } from './traffic.ts';

const placement = (processes: string) =>
  parsePlacement('test', `description: For a test.\nprocesses:\n${processes}`, 'test');

const monolith = placement('  all: { modules: all, roles: [http, worker], public: true }');
const apart = placement(`
  edge: { modules: [user, order, payment, notification], roles: [http, worker], public: true }
  product: { modules: [product], roles: [http, worker] }`);

/** What a shop measures that answered `requests`, by route, and made `calls` meanwhile. */
async function traffic(
  requests: Readonly<Record<string, number>>,
  calls: readonly { caller: string; module: string; call: string; count: number; bytes?: number }[],
) {
  const metrics = createMetrics();
  const callMetrics = createCallMetrics(metrics.registry);
  for (const [route, count] of Object.entries(requests)) {
    const request = { method: 'GET', route, status: 200, seconds: 0.01 };
    for (let made = 0; made < count; made += 1) metrics.http.observe(request);
  }
  for (const { caller, module, call, count, bytes } of calls) {
    const edge = { caller, module, call };
    for (let made = 0; made < count; made += 1) {
      callMetrics.observe({ ...edge, mode: 'local', outcome: made === 0 ? 'declared' : 'ok' }, 0.001);
    }
    if (bytes !== undefined) callMetrics.sized({ ...edge, inputBytes: 100, outputBytes: bytes - 100 });
  }
  return readTraffic(readMetrics(await metrics.render()), allModules);
}

describe('the calls of a shop', () => {
  it('are counted for each request to the caller’s own routes', async () => {
    const [edge] = await traffic({ '/api/v1/orders': 1, '/api/v1/orders/{id}': 1, '/api/v1/products': 98 }, [
      { caller: 'order', module: 'product', call: 'quote', count: 3 },
      { caller: 'order', module: 'product', call: 'reserve', count: 1 },
    ]);
    expect(edge).toMatchObject({ caller: 'order', module: 'product', ownRequests: true });
    expect(Object.fromEntries(edge!.callsPerRequest)).toEqual({ quote: 1.5, reserve: 0.5 });
    expect(edge?.bytesPerCall).toBeUndefined();
  });

  it('are counted for each request at all when the caller answers none', async () => {
    const [edge] = await traffic({ '/api/v1/products': 10 }, [
      { caller: 'notification', module: 'order', call: 'receipts', count: 5 },
    ]);
    expect(edge?.ownRequests).toBe(false);
    expect(edge?.callsPerRequest.get('receipts')).toBe(0.5);
  });

  it('are none without requests', async () => {
    expect(await traffic({}, [{ caller: 'order', module: 'user', call: 'profiles', count: 5 }])).toEqual([]);
  });
});

describe('a placement', () => {
  const ten = { '/api/v1/orders': 10 };
  const talk = (count: number, bytes?: number) => [
    { caller: 'order', module: 'product', call: 'quote', count, bytes },
    { caller: 'order', module: 'payment', call: 'charge', count },
  ];

  it('costs nothing where calls stay in one process', async () => {
    expect(networkCosts(monolith, await traffic(ten, talk(1_000)))).toEqual([]);
  });

  it('costs a round trip and the way of its bytes for each call between processes', async () => {
    const costs = networkCosts(apart, await traffic(ten, talk(20, CALL_BYTES_PER_MS)));
    expect(costs).toHaveLength(1);
    expect(costs[0]).toMatchObject({ traffic: { module: 'product' }, callsPerRequest: 2 });
    expect(costs[0]?.addedMs).toBeCloseTo(2 * (CALL_ROUND_TRIP_MS + 1));
    expect(chattyWarnings(costs)).toEqual([]);
  });

  it('is warned of where a request would make many calls, by name', async () => {
    const [warning] = chattyWarnings(networkCosts(apart, await traffic(ten, talk(60))));
    expect(warning).toMatch(/^order → product: each request to order would make 6\.0 calls .*\(quote 6\.0\)/);
    expect(warning).toContain('more than 5 calls');
  });

  it('is warned of where few calls would carry much', async () => {
    const costs = networkCosts(apart, await traffic(ten, talk(10, 30 * CALL_BYTES_PER_MS)));
    expect(chattyWarnings(costs)).toEqual([expect.stringContaining('more than 20 ms')]);
  });

  it('sends calls of the edge over the network from whoever answers people', async () => {
    const keys = await traffic(ten, [{ caller: 'edge', module: 'user', call: 'jwks', count: 1 }]);
    expect(networkCosts(monolith, keys)).toEqual([]);
    expect(networkCosts(apart, keys)).toHaveLength(1);
  });
});
