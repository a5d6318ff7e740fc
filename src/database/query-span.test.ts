import { expect, test } from 'vitest';
import { runInContext } from '../context.ts';
import { recordSpans } from '../telemetry/trace.ts';
import { newTrace } from '../telemetry/trace-context.ts';
import { createTestRecorder } from '../testing/recorder.ts';
import { summarize, traced } from './query-span.ts';

test.each([
  ['select 1', 'SELECT'],
  ['select id from "orders"."saga" where id = $1 for no key update', 'SELECT orders.saga'],
  ['select * from jsonb_array_elements_text($1) join products.stock on true', 'SELECT'],
  ['insert into "a".b (id) values ($1) on conflict (id) do update set c = 1', 'INSERT a.b'],
  ['update "a"."b" set c = $1', 'UPDATE a.b'],
  ['delete from a.b where id in (select id from a.b for update skip locked)', 'DELETE a.b'],
  [
    'with due as (select 1 from a.b for update skip locked) update a.b set c = 1 from due returning id',
    'UPDATE a.b',
  ],
  [
    'with e as (insert into "a".b (x) select 1 returning id) insert into "a".c (y) select 1',
    'INSERT a.b INSERT a.c',
  ],
  ['with wanted as (select 1 from "a".b) select * from wanted', 'SELECT a.b'],
  ['select from wanted join lateral (select 1) on true', 'SELECT'],
  ['lock table pg_catalog.pg_authid', 'LOCK'],
])('%s is called %s', (text, summary) => {
  expect(summarize(text).summary).toBe(summary);
});

test('a constraint that holds is no error, and a statement that is wrong is one', async () => {
  const recorder = createTestRecorder();
  recordSpans(recorder);
  const context = { requestId: 'r', ...newTrace(), sampled: true };
  for (const code of ['23505', '42P01']) {
    const run = traced('a', async () => {
      throw Object.assign(new Error('the key (email)=(ann@example.com) exists'), { code });
    });
    await expect(
      runInContext(context, () => run('insert into a.b values ($1)', ['ann@example.com'])),
    ).rejects.toThrow();
  }
  recordSpans(undefined);
  expect(recorder.spans).toMatchObject([
    { failure: undefined, attributes: { 'db.response.status_code': '23505' } },
    { failure: '42P01', attributes: { 'db.response.status_code': '42P01' } },
  ]);
  expect(JSON.stringify(recorder.spans)).not.toContain('ann@example.com');
});
