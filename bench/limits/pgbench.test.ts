import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Servers } from '../stack.ts';
import type { Bench } from '../suite.ts';
import { NO_PGBENCH, openOrderLimit, parseLogLine } from './pgbench.ts';

test('a line of its log tells how long an order took and when it ended', () => {
  expect(parseLogLine('3 17 2500 0 1764000000 250000')).toEqual({ tookMs: 2.5, endedMs: 1_764_000_000_250 });
});

test('the script of an order is the one that all figures were held against', () => {
  const script = readFileSync(join(import.meta.dirname, 'order.sql'));
  expect(createHash('sha256').update(script).digest('hex')).toBe(
    'aabd79438f751f72a508397372a9a3e4e54e030f6c977495b2f55303a45d46dc',
  );
});

test('where pgbench is not installed there is no limit, and it is said what to install', async () => {
  const said: string[] = [];
  const bench = { say: (text: string) => said.push(text), note: () => undefined } as unknown as Bench;
  const servers = { postgresBin: '/nowhere' } as Servers;
  expect(await openOrderLimit(bench, servers)).toBeUndefined();
  expect(said).toEqual([NO_PGBENCH]);
  expect(NO_PGBENCH).toContain('package postgresql');
});
