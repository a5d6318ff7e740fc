import { expect, test } from 'vitest';
import { percentile, reportReplay } from './replay-report.ts';
import type { OrderResult } from './replay-trade.ts';

const paid: OrderResult = {
  invoice: '1',
  orderId: 'a',
  lines: 2,
  totalMinor: 1050,
  latencyMs: 10,
  replayed: false,
  fault: undefined,
};

test('the report adds up what was paid, and names what was not', () => {
  const orders = [
    paid,
    { ...paid, replayed: true, latencyMs: 30 },
    { ...paid, invoice: '3', fault: 'ended rejected' },
  ];
  const result = { orders, customers: 2, registrationMs: 1500, tradeMs: 2000 };
  expect(reportReplay(result, 'GBP', false)).toEqual([
    'order 3: ended rejected',
    'orders     2 paid, every total right; 1 failed',
    'replayed   1 were placed by an earlier run',
    'lines      4',
    'money      GBP 21.00',
    'customers  2 signed in, in 1.5 s',
    'rate       1.5 orders/s over 2.0 s',
    'latency    p50 10 ms, p95 30 ms, p99 30 ms, max 30 ms',
  ]);
  expect(reportReplay(result, 'GBP', true).at(-1)).toMatch(/^memory {5}\d+ MiB at most/);
});

test('a percentile is the value that this share does not exceed', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(values, 0.5)).toBe(50);
  expect(percentile(values, 0.99)).toBe(99);
  expect(percentile(values, 1)).toBe(100);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile([], 0.5)).toBe(0);
});
