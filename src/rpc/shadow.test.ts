import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { createLogger } from '../telemetry/log.ts';
import { defineContract, query } from './contract.ts';
import { createLocalApi } from './local.ts';
import { createCallMetrics } from './observe.ts';
import { createShadow } from './shadow.ts';

// Anything goes, so that values come through which no contract should have.
const box = z.object({ value: z.any(), list: z.array(z.object({ note: z.any() })).optional() });
const contract = defineContract('box', {
  calls: { echo: query({ input: box, output: box, errors: ['empty'] }) },
});

type Box = z.output<typeof box>;

function shadowed(
  options: { ratio?: number; random?: () => number; echo?: (input: Box) => Promise<Box> } = {},
) {
  const { ratio = 1, random, echo = async (input) => input } = options;
  const registry = new Registry();
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const log = createLogger({ level: 'info', destination });
  const shadow = createShadow({ ratio, metrics: createCallMetrics(registry), registry, log, random });
  const local = createLocalApi(contract, { echo });
  return {
    api: shadow?.over(local, { contract, caller: 'order' }) ?? local,
    shadow,
    lines,
    async count(result: string) {
      const found = new RegExp(`^banyan_shadow_calls_total\\{.*result="${result}"\\} (\\d+)`, 'm').exec(
        await registry.metrics(),
      );
      return Number(found?.[1] ?? 0);
    },
    render: () => registry.metrics(),
  };
}

it('finds a call the same that JSON carries whole, and counts its bytes', async () => {
  const { api, count, lines, render } = shadowed();
  const input = { value: { text: 'ü', gone: undefined, no: null }, list: [{ note: [1, true] }] };
  expect(await api.echo(input)).toEqual(input);
  expect([await count('same'), await count('different'), lines]).toEqual([1, 0, []]);
  const bytes = Buffer.byteLength(JSON.stringify(input));
  expect(await render()).toContain(
    `banyan_call_bytes_total{caller="order",module="box",call="echo",direction="input"} ${bytes}`,
  );
});

it.each([
  ['a Date', new Date(0)],
  ['a Map', new Map([['a', 1]])],
  ['a NaN', Number.NaN],
  ['a negative zero', -0],
  ['a BigInt', 10n],
])('finds %s that is passed, tells where and not what, and lets the call go on', async (_, value) => {
  const { api, count, lines } = shadowed();
  const input = { value: 'secret', list: [{ note: 1 }, { note: value }] };
  const { list } = await api.echo(input);
  expect(list?.[1]?.note).toEqual(value);
  expect([await count('same'), await count('different')]).toEqual([0, 1]);
  expect(lines[0]).toMatchObject({ module: 'box', call: 'echo', direction: 'input' });
  if (typeof value !== 'bigint') expect(lines[0]).toMatchObject({ path: '$.list[1].note' });
  expect(JSON.stringify(lines)).not.toContain('secret');
});

it('finds what an answer loses', async () => {
  const { api, count, lines } = shadowed({ echo: async () => ({ value: { at: new Date(0) } }) });
  expect((await api.echo({ value: 1 })).value.at).toEqual(new Date(0));
  expect(await count('different')).toBe(1);
  expect(lines).toMatchObject([{ direction: 'answer', path: '$.output.value.at' }]);
});

it('finds what a failure loses, and finds a failure the same that loses nothing', async () => {
  const failing = (extra: Record<string, unknown>) =>
    shadowed({
      echo: async () => {
        throw new AppError('conflict', 'empty', 'no items', { extra, retryAfterSeconds: 2 });
      },
    });
  const plain = failing({ skus: ['a'] });
  await expect(plain.api.echo({ value: 1 })).rejects.toMatchObject({ code: 'empty' });
  expect([await plain.count('same'), plain.lines]).toEqual([1, []]);
  const odd = failing({ since: new Date(0) });
  await expect(odd.api.echo({ value: 1 })).rejects.toMatchObject({ extra: { since: new Date(0) } });
  expect(odd.lines).toMatchObject([{ direction: 'answer', path: '$.failure.extra.since' }]);
});

it('leaves a bug to whoever made it', async () => {
  const { api, count } = shadowed({ echo: () => Promise.reject(new TypeError('no function')) });
  await expect(api.echo({ value: 1 })).rejects.toThrow('no function');
  expect(await count('same')).toBe(1);
  await expect(api.echo({ value: () => 1 })).rejects.toThrow();
});

it('looks at its share of the calls only, and is nothing at all at a ratio of 0', async () => {
  const throws = [0.1, 0.7, 0.49, 0.5];
  const { api, count } = shadowed({ ratio: 0.5, random: () => throws.shift()! });
  for (const value of [1, 2, 3, 4]) await api.echo({ value });
  expect(await count('same')).toBe(2);
  expect(shadowed({ ratio: 0 }).shadow).toBeUndefined();
});
