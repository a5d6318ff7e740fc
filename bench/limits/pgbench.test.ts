import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseLogLine } from './pgbench.ts';

test('a line of its log tells how long an order took and when it ended', () => {
  expect(parseLogLine('3 17 2500 0 1764000000 250000')).toEqual({ tookMs: 2.5, endedMs: 1_764_000_000_250 });
});

test('the script of an order is the one that all figures were held against', () => {
  const script = readFileSync(join(import.meta.dirname, 'order.sql'));
  expect(createHash('sha256').update(script).digest('hex')).toBe(
    'aabd79438f751f72a508397372a9a3e4e54e030f6c977495b2f55303a45d46dc',
  );
});
