import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exitCodes } from './exit-codes.ts';
import { readTrade } from './trade-file.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-trade-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

const lines = [
  '{"invoice":"1","customer":"17850","country":"Eire","items":[{"sku":"a","quantity":2}]}',
  '{"invoice":"2","items":[{"sku":"A","quantity":1}]}',
];

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test('orders are read from plain and from gzipped files, up to a limit', async () => {
  const orders = [
    { invoice: '1', customer: '17850', items: [{ sku: 'a', quantity: 2 }] },
    { invoice: '2', customer: '', items: [{ sku: 'A', quantity: 1 }] },
  ];
  expect(await readTrade(write('a.ndjson', lines.join('\n')))).toEqual(orders);
  const gzipped = write('a.ndjson.gz', gzipSync(`${lines.join('\r\n')}\r\n`));
  expect(await readTrade(gzipped)).toEqual(orders);
  expect(await readTrade(gzipped, 1)).toEqual(orders.slice(0, 1));
});

test.each([
  ['no JSON', 'nonsense'],
  ['no items', '{"invoice":"3","items":[]}'],
  ['a quantity of zero', '{"invoice":"3","items":[{"sku":"a","quantity":0}]}'],
  ['an invoice that is no header value', '{"invoice":"3\\n","items":[{"sku":"a","quantity":1}]}'],
])('a line with %s is named', async (_name, line) => {
  const path = write('bad.ndjson', [...lines, line].join('\n'));
  await expect(readTrade(path)).rejects.toMatchObject({
    exitCode: exitCodes.badData,
    message: expect.stringContaining(`${path} line 3: `),
  });
});

test('a damaged archive and a missing file are told apart', async () => {
  const damaged = write('damaged.ndjson.gz', gzipSync(lines.join('\n')).subarray(0, 40));
  await expect(readTrade(damaged)).rejects.toMatchObject({ exitCode: exitCodes.badData });
  await expect(readTrade(join(folder, 'missing.gz'))).rejects.toMatchObject({ exitCode: exitCodes.noInput });
});
