import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { inject } from 'vitest';
import { invariant } from '../errors.ts';

/** A database on the test run's Postgres. Its login may make roles, whose names must begin with `<database>_`. */
export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Ends all of its sessions and removes it and its roles. */
  drop(): Promise<void>;
}

/** Makes an empty database for one test or file. Only tests of the vitest project `postgres` have a server for it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl');
  invariant(server, 'a test that needs Postgres is named *.db.test.ts');
  const name = `banyan_test_${randomBytes(6).toString('hex')}`;
  await asAdmin(server, (sql) => sql`create database ${sql(name)}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, name, drop: () => asAdmin(server, (sql) => drop(sql, name)) };
}

/** The test run's Redis, and a prefix for keys and queues that no other caller has. All share its one database. */
export function testRedis(): { readonly url: string; readonly prefix: string } {
  const url = inject('redisUrl');
  invariant(url, 'a test that needs Redis is named *.db.test.ts');
  return { url, prefix: `banyan_test_${randomBytes(6).toString('hex')}` };
}

async function drop(sql: postgres.Sql, name: string): Promise<void> {
  await sql`drop database if exists ${sql(name)} with (force)`;
  // The product names a database's roles after it; they outlive it, since roles belong to the whole server.
  const roles = await sql`select rolname from pg_roles where starts_with(rolname, ${`${name}_`})`;
  for (const { rolname } of roles) await sql`drop role if exists ${sql(rolname)}`;
}

async function asAdmin(server: string, work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  // The driver prints notices unless told otherwise.
  const sql = postgres(server, { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}
