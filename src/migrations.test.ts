import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { contractingStatements } from './testing/expand-only.ts';
import { findPreviousRelease } from './testing/previous-release.ts';

const folder = join(import.meta.dirname, '../drizzle');
const now = new Map(
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sql'))
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
);
const previous = findPreviousRelease();

// Without git's history nobody can say which are new; then this is left out, and the test run says so.
describe.skipIf(previous === undefined)(`migrations since ${previous?.version}`, () => {
  it('leave what was released as it is', () => {
    const changed = [...previous!.migrations()].filter(([name, script]) => now.get(name) !== script);
    expect(changed.map(([name]) => name)).toEqual([]);
  });

  it('take nothing away from processes of that release', () => {
    const released = previous!.migrations();
    const problems = [...now]
      .filter(([name]) => !released.has(name))
      .flatMap(([name, script]) => contractingStatements(script).map((statement) => `${name}: ${statement}`));
    expect(problems).toEqual([]);
  });
});

test.each([
  'create table a (id uuid primary key, b text not null)',
  'create table a (id int); create unique index a_id on a (id); alter table a add check (id > 0); insert into a values (1)',
  'create index concurrently a_b on a (b)',
  'alter table a add column b text',
  "alter table a add column b text not null default 'x;y', add column c numeric(4, 2)",
  '-- contract: 0.4.0 reads it no more\nalter table a drop column b',
  "create table a (b text default 'drop table c');",
])('nobody is harmed by: %s', (script) => {
  expect(contractingStatements(script)).toEqual([]);
});

test.each([
  'drop table a',
  'alter table a drop column b',
  'alter table a rename column b to c',
  'alter table a rename to b',
  'alter table a alter column b type bigint',
  'alter table a alter column b set not null',
  'alter table a add column b text not null',
  'alter table a add column b text, drop column c',
  'alter table a add column b text unique',
  'alter table a add constraint c check (b > 0)',
  'create unique index a_b on a (b)',
  'update a set b = 1',
  'delete from a',
  'truncate a',
  'drop index a_b',
  'create or replace function f() returns int language sql as $$ select 1; $$',
  '/* contract: x */ select 1; drop table a',
  'alter table a -- contract: too late\n drop column b',
])('processes of the release before could fail after: %s', (script) => {
  expect(contractingStatements(script)).not.toEqual([]);
});
