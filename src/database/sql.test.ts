import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openInMemory } from '../testing/database.ts';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import { listRows, textArray } from './sql.ts';

let engine: Engine;
let database: Database;

beforeAll(async () => {
  engine = await openInMemory();
  database = engine.database('public');
});

afterAll(() => engine.close());

const awkward = ['', ' ', 'NULL', '"', '\\', '\\"', '{}', 'a,b', '{"a"}', "'", '\n', '\\n', 'é', '💶'];
// Postgres's text holds neither.
const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));

it('passes a list of any texts as they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(text, fc.constantFrom(...awkward))), async (values) => {
      const rows = await database.rows(sql`select to_jsonb(${textArray(values)}) as list`);
      expect(rows).toEqual([{ list: values }]);
    }),
    { examples: [[awkward], [[]]] },
  );
});

it('passes lists as a table, a row for each place', async () => {
  const id = '0190c0de-0000-7000-8000-000000000001';
  const rows = await database.rows(sql`
    select * from ${listRows(
      ['uuid', [id, id]],
      ['text', ['a"b', 'c']],
      ['bigint', [-1, Number.MAX_SAFE_INTEGER]],
      ['boolean', [true, false]],
    )} as n(id, word, number, flag)`);
  expect(rows).toEqual([
    { id, word: 'a"b', number: -1, flag: true },
    { id, word: 'c', number: Number.MAX_SAFE_INTEGER, flag: false },
  ]);
});
