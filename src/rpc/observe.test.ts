import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { defineContract, query } from './contract.ts';
import { createCallMetrics, observed } from './observe.ts';

const shelf = defineContract('shelf', {
  calls: { look: query({ input: z.object({}), output: z.object({ n: z.int() }), errors: ['gone'] }) },
});

function measure(look: () => Promise<{ n: number }>) {
  const registry = new Registry();
  const metrics = createCallMetrics(registry);
  const api = observed({ look }, { contract: shelf, caller: 'order', mode: 'local', metrics });
  return { api, metrics, render: () => registry.metrics() };
}

it('counts a call that ended well, and hands its answer on', async () => {
  const { api, render } = measure(async () => ({ n: 7 }));
  expect(await api.look({})).toEqual({ n: 7 });
  expect(await render()).toContain(
    'banyan_call_duration_seconds_count{caller="order",module="shelf",call="look",mode="local",outcome="ok"} 1',
  );
});

it.each([
  ['declared', new AppError('not_found', 'gone', 'it is gone')],
  ['unavailable', new AppError('unavailable', 'timeout', 'late')],
  ['bug', new TypeError('no function')],
])('tells a failure that is %s, and hands it on as it is', async (outcome, error) => {
  const { api, render } = measure(() => Promise.reject(error));
  await expect(api.look({})).rejects.toBe(error);
  expect(await render()).toMatch(new RegExp(`seconds_count\\{.*outcome="${outcome}"\\} 1`));
});

it('adds up the bytes of calls whose size is known', async () => {
  const { metrics, render } = measure(async () => ({ n: 7 }));
  const edge = { caller: 'order', module: 'shelf', call: 'look' };
  metrics.sized({ ...edge, inputBytes: 2, outputBytes: 40 });
  metrics.sized({ ...edge, inputBytes: 3, outputBytes: 60 });
  const text = await render();
  const labels = 'caller="order",module="shelf",call="look"';
  expect(text).toContain(`banyan_call_bytes_total{${labels},direction="input"} 5`);
  expect(text).toContain(`banyan_call_bytes_total{${labels},direction="output"} 100`);
  expect(text).toContain(`banyan_call_sized_total{${labels}} 2`);
});
