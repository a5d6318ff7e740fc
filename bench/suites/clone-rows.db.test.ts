import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../src/testing/test-database.ts';
import { cloneRows } from './clone-rows.ts';

let database: TestDatabase;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(`
    create table parent (id uuid primary key, number text not null unique, user_id uuid not null,
      at timestamptz(3) not null, twice text generated always as (number || number) stored);
    create table child (position bigint generated always as identity primary key, parent_id uuid not null references parent,
      stream text not null, state text not null, step integer not null default 7);
    insert into parent values ('019a0000-1000-7000-8000-000000000001', '100001',
      '019a0000-0000-7000-8000-00000000000a', '2026-01-01T00:00:10Z');
    insert into child (parent_id, stream, state)
      select id, 'parent:' || id, 'done' from parent, generate_series(1, 2)`);
});

afterAll(async () => {
  await sql?.end({ timeout: 5 });
  await database?.drop();
});

test('copies have ids and times of their own, and hang together as the rows did', async () => {
  const options = {
    tables: ['public.parent', 'public.child'],
    copies: 3,
    stepMs: 1_000,
    sameIds: ['user_id'],
  };
  expect(await cloneRows(sql, options)).toEqual({ 'public.parent': 4, 'public.child': 8 });

  const parents = await sql`select id::text, number, user_id, at from parent order by at desc`;
  expect(parents.map(({ number }) => number)).toEqual([
    '100001',
    '100001-1000-1',
    '100001-1000-2',
    '100001-1000-3',
  ]);
  expect(parents.map(({ at }) => at.getUTCSeconds())).toEqual([10, 9, 8, 7]);
  expect(new Set(parents.map(({ user_id }) => user_id)).size).toBe(1);
  // As old as the time in its id says, and of the version that is made by time.
  expect(
    parents
      .map(({ id }) => id)
      .toSorted()
      .reverse(),
  ).toEqual(parents.map(({ id }) => id));
  for (const { id } of parents) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);

  const children = await sql`
    select count(*)::int as count, min(stream) = 'parent:' || parent_id as named from child group by parent_id`;
  expect(children).toEqual(Array.from({ length: 4 }, () => ({ count: 2, named: true })));

  expect(await cloneRows(sql, { ...options, copies: 1, stepMs: 4_000 })).toEqual({
    'public.parent': 8,
    'public.child': 16,
  });
});
