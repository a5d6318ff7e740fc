import { expect, it } from 'vitest';
import { isAppError } from '#platform/errors';
import type { StagedRow } from './import-store.ts';
import { ROW_LENGTH } from './limits.ts';
import { openCatalogue } from './read-catalogue.ts';

const HEADER = 'sku,name,price_minor,currency,on_hand';

/** Chunks of three bytes, so that no character and no line comes whole. */
function streamOf(content: string | Uint8Array): ReadableStream<Uint8Array> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 3) controller.enqueue(bytes.subarray(at, at + 3));
      controller.close();
    },
  });
}

async function read(content: string | Uint8Array): Promise<StagedRow[]> {
  const rows: StagedRow[] = [];
  for await (const row of await openCatalogue(streamOf(content))) rows.push(row);
  return rows;
}

const mug = { sku: 'A1', name: 'Mug', amount: 250, currency: 'GBP', onHand: 7 };

it('reads a file with a byte order mark, CRLF and quotes that hold commas, quotes and line ends', async () => {
  const rows = await read(
    `\uFEFF${HEADER},description\r\n"A1","Mug, ""big"", £",250,GBP,7,"two\r\nlines"\r\nA2,Cup,0,EUR,0,\r\n`,
  );
  expect(rows).toEqual([
    { line: 2, entry: { ...mug, name: 'Mug, "big", £', description: 'two\r\nlines' } },
    { line: 4, entry: { sku: 'A2', name: 'Cup', amount: 0, currency: 'EUR', onHand: 0, description: '' } },
  ]);
});

it('takes columns in any order, ignores those it does not know, and passes over empty lines', async () => {
  const rows = await read('colour,on_hand,currency,category,price_minor,name,sku\n\nred,7,GBP,,250,Mug,A1');
  expect(rows).toEqual([{ line: 3, entry: { ...mug, category: null } }]);
});

it.each([
  ['', 'the header lacks sku, name, price_minor, currency, on_hand'],
  ['sku,name,price_minor,currency,units_sold\nA1,Mug,250,GBP,7', 'the header lacks on_hand'],
  [`${HEADER},sku\n`, 'the header names sku twice'],
])('refuses the header of %j', async (content, message) => {
  const error = await read(content).catch((thrown: unknown) => thrown);
  expect(isAppError(error, 'invalid_request') && error.extra).toEqual({ errors: [{ path: '', message }] });
});

it.each([
  ['A1,Mug,250,GBP', 'has 4 values where the header names 5 columns'],
  ['A1,Mug,2.50,GBP,7', 'price_minor: is not a whole number of 0 or more'],
  ['A1,Mug,-1,GBP,7', 'price_minor: is not a whole number of 0 or more'],
  ['A1,Mug,250,GBX,7', 'currency: not an ISO 4217 currency'],
  ['A1,Mug,250,GBP,many', 'on_hand: is not a whole number of 0 or more'],
  ['A1,   ,250,GBP,7', 'name: is blank'],
  ['A1,M"u"g,250,GBP,7', 'has a quote in the wrong place'],
])('explains the row %j and reads on', async (row, error) => {
  expect(await read(`${HEADER}\n${row}\nA1,Mug,250,GBP,7\n`)).toEqual([
    { line: 2, error },
    { line: 3, entry: mug },
  ]);
});

it('tells every problem of a row', async () => {
  const [row] = await read(`${HEADER}\n${'x'.repeat(65)},,9007199254740993,GBP,9999999999999\n`);
  const problems = row && 'error' in row ? row.error.split('; ').map((part) => part.split(':')[0]) : [];
  expect(new Set(problems)).toEqual(new Set(['sku', 'name', 'price_minor', 'on_hand']));
});

it('reports the row whose bytes are not UTF-8', async () => {
  const bytes = new TextEncoder().encode(`${HEADER}\nA1,M?g,250,GBP,7\nA1,Mug,250,GBP,7\n`);
  bytes[bytes.indexOf('?'.charCodeAt(0))] = 0xff;
  expect(await read(bytes)).toEqual([
    { line: 2, error: 'is not valid UTF-8' },
    { line: 3, entry: mug },
  ]);
});

it('reports a quote that is never closed, and what came before it is read', async () => {
  const rows = await read(`${HEADER}\nA1,Mug,250,GBP,7\nA2,"Cup,250,GBP,7\n`);
  expect(rows).toEqual([
    { line: 2, entry: mug },
    { line: 3, error: 'opens a quote that is never closed' },
  ]);
});

it('stops at a row without end instead of gathering it in memory', async () => {
  const rest = 'A3,Jug,250,GBP,7\n'.repeat(ROW_LENGTH / 10);
  const rows = await read(`${HEADER}\nA1,Mug,250,GBP,7\nA2,"Cup,250,GBP,7\n${rest}"\nA4,Pan,250,GBP,7\n`);
  expect(rows).toEqual([
    { line: 2, entry: mug },
    { line: expect.any(Number), error: expect.stringContaining(`is longer than ${ROW_LENGTH} bytes`) },
  ]);
});

it('tells a spoilt row once, in its place among the others', async () => {
  const good = Array.from({ length: 40 }, () => 'A1,Mug,250,GBP,7');
  const rows = await read([HEADER, ...good, 'A1,M"u"g,2"5"0,GBP,7', ...good].join('\n'));
  expect(rows.map((row) => row.line)).toEqual(Array.from({ length: 81 }, (_, index) => index + 2));
  expect(rows.filter((row) => 'error' in row)).toHaveLength(1);
});

it('fails as the stream does when that breaks off', async () => {
  const broken = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`${HEADER}\nA1,Mug,250,GBP,7\n`));
    },
    pull(controller) {
      controller.error(new Error('connection lost'));
    },
  });
  const reading = (async () => {
    for await (const _ of await openCatalogue(broken)) {
      // Rows before the break are of no interest here.
    }
  })();
  await expect(reading).rejects.toThrow('connection lost');
});
