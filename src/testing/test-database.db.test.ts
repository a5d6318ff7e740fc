import { Redis } from 'ioredis';
import postgres from 'postgres';
import { expect, inject, test } from 'vitest';
import { createTestDatabase, testRedis } from './test-database.ts';

async function query(url: string, text: string) {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return [...(await sql.unsafe(text))];
  } finally {
    await sql.end();
  }
}

test('two databases share nothing', async () => {
  const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  try {
    await query(one.url, 'create table mine (id int)');
    expect(await query(other.url, `select to_regclass('mine') as found`)).toEqual([{ found: null }]);
  } finally {
    await Promise.all([one.drop(), other.drop()]);
  }
});

test('a dropped database is gone with its sessions and its own roles, and no other', async () => {
  const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const open = postgres(one.url, { max: 1, onnotice: () => undefined });
  try {
    for (const { name, url } of [one, other]) {
      await query(url, `create role ${name}_order login; create schema orders authorization ${name}_order`);
    }
    await open`select 1`;
    await one.drop();
    const left = await query(
      inject('postgresUrl'),
      `select datname as name from pg_database where starts_with(datname, 'banyan_test_')
       union all select rolname from pg_roles where starts_with(rolname, 'banyan_test_')`,
    );
    const names = left.map(({ name }) => name);
    expect(names).not.toContain(one.name);
    expect(names).not.toContain(`${one.name}_order`);
    expect(names).toContain(`${other.name}_order`);
  } finally {
    await open.end({ timeout: 1 });
    await other.drop();
  }
});

test('everyone shares one Redis under a prefix of their own', async () => {
  const [one, other] = [testRedis(), testRedis()];
  expect(one.prefix).not.toBe(other.prefix);
  const redis = new Redis(one.url);
  try {
    expect(await redis.ping()).toBe('PONG');
  } finally {
    redis.disconnect();
  }
});
