import { Counter, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { readMetrics } from './read-metrics.ts';

it('reads what a registry writes, whatever is in a label', async () => {
  const registry = new Registry();
  const labels = { route: '/orders/{id}', odd: 'a "quoted" \\ line\nand more' };
  const counter = new Counter({
    name: 'requests_total',
    help: 'Requests, of {any} kind.',
    labelNames: ['route', 'odd'] as const,
    registers: [registry],
  });
  counter.inc(labels, 2.5);
  expect(readMetrics(await registry.metrics())).toEqual([{ name: 'requests_total', labels, value: 2.5 }]);
});

it('reads samples without labels and with a time, and passes over all else', () => {
  const text = '# HELP up Whether it is.\nup 1 1700000000000\n\nnonsense\n';
  expect(readMetrics(text)).toEqual([{ name: 'up', labels: {}, value: 1 }]);
});
