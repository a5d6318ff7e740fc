import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { LoadPlan } from './plan.ts';
import { runLoad } from './run-load.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const plan: Omit<LoadPlan, 'url'> = { clients: 4, seconds: 60, work: { kind: 'get', paths: ['/a', '/b'] } };

test('every answer is counted, and as many as were asked for end the run', async () => {
  let answered = 0;
  let atOnce = 0;
  let most = 0;
  const url = await serve((_, response) => {
    answered += 1;
    atOnce += 1;
    most = Math.max(most, atOnce);
    setImmediate(() => {
      atOnce -= 1;
      response.end('{}');
    });
  });
  const result = await runLoad({ ...plan, url, count: 50 });
  expect(result.count).toBe(answered);
  expect(result.count).toBeGreaterThanOrEqual(50);
  expect(result.count).toBeLessThan(50 + plan.clients);
  expect(result.statuses).toEqual({ 200: answered });
  expect(most).toBeLessThanOrEqual(plan.clients);
});

test('one wrong answer fails the run', async () => {
  let answered = 0;
  const url = await serve((_, response) => {
    answered += 1;
    response.statusCode = answered === 20 ? 503 : 200;
    response.end('so it is');
  });
  await expect(runLoad({ ...plan, url })).rejects.toThrow('status 503 instead of 200: so it is');
});

test('a connection that is lost fails the run', async () => {
  const url = await serve((_, response) => response.destroy());
  await expect(runLoad({ ...plan, url })).rejects.toThrow();
});

test('a paced load asks no faster than it is told, and its requests wait for a free client', async () => {
  const url = await serve((_, response) => setTimeout(() => response.end('{}'), 20));
  const result = await runLoad({ ...plan, url, clients: 1, seconds: 0.2, pace: 100 });
  // All that came due were answered, the last ones after the time was up, and waiting for each other took its time.
  expect(result.count).toBeGreaterThan(10);
  expect(result.count).toBeLessThanOrEqual(20);
  expect(result.highestMs).toBeGreaterThan(40);
});
