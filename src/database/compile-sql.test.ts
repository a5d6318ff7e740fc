import { and, eq, inArray, isNull, or, Param, Placeholder, SQL, sql } from 'drizzle-orm';
import { alias, jsonb, PgDialect, pgEnum, pgSchema, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSql } from './compile-sql.ts';
import { isoTime, jsonRows, textArray } from './sql.ts';

const inSchema = pgSchema('orders').table('order', {
  id: text('id').primaryKey(),
  placedAt: timestamp('placed_at', { withTimezone: true }),
  lines: jsonb('lines'),
});
const plain = pgTable('Plain "quoted"', { id: text('id') });
const renamed = alias(inSchema, 'o');
const stateOf = pgEnum('state', ['open', 'shut']);

const drizzle = new PgDialect();

function byDrizzle(statement: SQL) {
  const { sql: text, params } = drizzle.sqlToQuery(statement);
  return { text, params };
}

/** What it gives, or how it refuses: drizzle does not inline every kind of value. */
function outcome(compile: () => unknown): unknown {
  try {
    return compile();
  } catch (error) {
    return String(error);
  }
}

function expectSame(statement: SQL): void {
  expect(outcome(() => compileSql(statement))).toEqual(outcome(() => byDrizzle(statement)));
}

/** Every kind of part that drizzle knows, in statements nested in statements. */
const part = fc.letrec<{ part: unknown; statement: SQL }>((tie) => ({
  part: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.bigInt(),
    fc.constant(null),
    fc.constant(undefined),
    fc.date(),
    fc.constantFrom(inSchema, plain, renamed, inSchema.id, inSchema.placedAt, plain.id, renamed.id),
    fc.string().map((name) => sql.identifier(name)),
    fc.string().map((text) => sql.raw(text)),
    fc.string().map((value) => sql.param(value)),
    fc.json().map((value) => new Param(JSON.parse(value), inSchema.lines)),
    fc.date({ noInvalidDate: true }).map((value) => new Param(value, inSchema.placedAt)),
    fc.constantFrom(
      new Param('a', { mapToDriverValue: (value) => sql`upper(${value})` }),
      new Param(new Placeholder('later')),
      new Placeholder('later'),
      sql.empty(),
      sql`count(*)`.as('count'),
      stateOf,
      { a: 1 },
      eq(inSchema.id, 'a'),
      inArray(inSchema.id, ['a', 'b']),
    ),
    fc.array(fc.string(), { maxLength: 3 }),
    tie('statement'),
  ),
  statement: fc.oneof(
    fc.array(tie('part'), { maxLength: 5 }).map((parts) => {
      const strings = Object.assign(
        Array.from({ length: parts.length + 1 }, (_, index) => ` t${index} `),
        { raw: [] },
      );
      return sql(strings as unknown as TemplateStringsArray, ...parts);
    }),
    fc.array(tie('part'), { maxLength: 3 }).map((parts) => sql.join(parts as SQL[], sql`, `)),
    tie('statement').map((statement) => new SQL([statement]).inlineParams()),
  ),
})).statement;

describe('compiling a statement', () => {
  it('gives the text and the parameters that drizzle gives, whatever it is made of', () => {
    fc.assert(fc.property(part, expectSame), { numRuns: 2_000 });
  });

  it('gives them for what our stores write', () => {
    const table = sql`${sql.identifier('orders')}.saga`;
    expectSame(sql`
      with held as (update ${table} set fence = fence + 1, lease_until = now() + ${6_000}::int * interval '1 ms'
        where id = ${'a'} and (state = any(${textArray(['open', 'failed'])}) or ${sql`fence = ${1}::int`})
        returning *)
      select ${isoTime(sql`due_at`)} as "dueAt" from held join jsonb_to_recordset(${jsonRows([{ sku: 'S' }])})
        as line (sku text) on true where ${null}::text is null`);
    expectSame(
      sql`select ${inSchema.id}, ${isoTime(inSchema.placedAt)} from ${inSchema}
        where ${and(eq(inSchema.id, 'a'), or(isNull(renamed.id), eq(plain.id, 'b')))}`,
    );
  });

  it('leaves statements as they were', () => {
    const statement = sql`select ${1}::int, ${sql`${'a'}::text`}`;
    expect(compileSql(statement)).toEqual(compileSql(statement));
  });
});
