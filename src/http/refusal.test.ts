import { expect, it } from 'vitest';
import { z } from 'zod';
import { AppError, type ErrorKind } from '../errors.ts';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import { defineRoutes } from './route.ts';

const answers = { 200: { description: 'an answer', schema: z.unknown() } };
const routes = defineRoutes({
  open: { method: 'get', path: '/open', access: 'anyone', summary: 's', answers },
});

/** An edge whose only route ends like this. */
function startWith(end: () => Promise<never> | Promise<{ status: 200; body: object }>, bounds = {}) {
  return startEdge({ routes, handlers: { open: end }, ...bounds });
}

async function refusals(edge: TestEdge): Promise<Record<string, number>> {
  const { values } = await edge.metrics.registry.getSingleMetric('banyan_requests_refused_total')!.get();
  const counted = values.filter(({ value }) => value > 0);
  return Object.fromEntries(counted.map(({ labels, value }) => [labels.reason, value]));
}

async function inFlight(edge: TestEdge): Promise<number | undefined> {
  const { values } = await edge.metrics.registry.getSingleMetric('banyan_requests_in_flight')!.get();
  return values[0]?.value;
}

it.each([
  ['unavailable', 'database_busy', { database_busy: 1 }],
  ['unavailable', 'database_unavailable', { database_away: 1 }],
  ['unavailable', 'peer_unavailable', { peer_away: 1 }],
  ['unavailable', 'timeout', { timeout: 1 }],
  // What the request itself came to.
  ['conflict', 'insufficient_stock', {}],
  ['unavailable', 'provider_error', {}],
  ['unavailable', 'constructor', {}],
] as [ErrorKind, string, object][])(
  'a request that ends %s by %s counts as refused: %o',
  async (kind, code, counted) => {
    const edge = await startWith(() => Promise.reject(new AppError(kind, code, 'no')));
    await edge.request('/api/v1/open');
    expect(await refusals(edge)).toEqual(counted);
  },
);

it('requests past the limits of a client and of the process count as refused', async () => {
  const gate = Promise.withResolvers<{ status: 200; body: object }>();
  const edge = await startWith(() => gate.promise, { requestsInFlight: 1, config: { rateLimit: 2 } });
  const first = edge.request('/api/v1/open');
  expect((await edge.request('/api/v1/open')).status).toBe(503);
  expect((await edge.request('/api/v1/open')).status).toBe(429);
  expect(await refusals(edge)).toEqual({ overload: 1, rate_limit: 1 });
  expect(await inFlight(edge)).toBe(1);
  gate.resolve({ status: 200, body: {} });
  expect((await first).status).toBe(200);
  expect(await inFlight(edge)).toBe(0);
});
