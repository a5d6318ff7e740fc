import { sql } from 'drizzle-orm';
import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseConfig } from '../config.ts';
import { isAppError } from '../errors.ts';
import { IDLE_IN_TRANSACTION_TIMEOUT_MS, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS } from '../limits.ts';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { openEngines } from './engines.ts';
import { migrate, pendingMigrations } from './migrate.ts';
import { makeRoles } from './roles.ts';

const owners = [
  { module: 'product', schema: 'products' },
  { module: 'order', schema: 'orders' },
];
const SECRET = 'not to be seen anywhere';

let made: TestDatabase;
let config: DatabaseConfig;
beforeEach(async () => {
  made = await createTestDatabase();
  config = { url: made.url, moduleUrls: {}, poolMax: 4, pooler: 'none' };
});
afterEach(() => made.drop());

const open = (database = config, migrating: 'auto' | 'off' = 'auto') =>
  openEngines({ dataDir: '', database, migrate: migrating }, owners);

async function asSuperuser<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const admin = postgres(made.url, { max: 1, onnotice: () => undefined });
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

/** A login of the test's own; its name begins with the database's, so that it goes with it. */
async function createLogin(name: string, rights = ''): Promise<string> {
  const role = `${made.name}_${name}`;
  await asSuperuser(async (admin) => {
    await admin.unsafe(`create role ${role} login password '${SECRET}' ${rights}`);
    await admin.unsafe(`grant connect on database ${made.name} to ${role}`);
  });
  const url = new URL(made.url);
  url.username = role;
  url.password = SECRET;
  return url.href;
}

/** The SQL that a start printed, or fails the test. */
async function refusedSql(database: DatabaseConfig): Promise<string> {
  const failure = await makeRoles(database, owners).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isAppError(failure, 'roles_missing')) throw new Error('no SQL was printed', { cause: failure });
  return failure.message.split('\n\n')[1] ?? '';
}

describe("the modules' logins", () => {
  it('let a module use its own schema, and nothing of another', async () => {
    const engines = await open();
    const product = engines.of('product').database('products');
    const order = engines.of('order').database('orders');
    await migrate(engines.of('product'), 'products', ['platform']);
    await migrate(engines.of('order'), 'orders', ['platform']);
    await product.rows(sql`create table products.secret_price (n integer)`);
    await product.rows(sql`insert into products.secret_price values (1)`);
    const denied = { code: '42501' };
    await expect(order.rows(sql`select * from products.secret_price`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`insert into products.secret_price values (2)`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`delete from products.secret_price`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`drop table products.secret_price`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`create table products.mine ()`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`create table public.mine ()`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`create schema mine`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql`select * from pg_authid`)).rejects.toMatchObject(denied);
    await expect(order.rows(sql.raw(`set role "${made.name}_product"`))).rejects.toMatchObject(denied);
    const seen = await order.rows(sql`
      select table_name from information_schema.tables where table_schema = 'products'`);
    expect(seen).toEqual([]);
    expect(await product.rows(sql`select n from products.secret_price`)).toEqual([{ n: 1 }]);
    await engines.close();
  });

  it('are made once by several callers at once', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => makeRoles(config, owners)));
    expect(all.flat().toSorted()).toEqual([
      `role ${made.name}_order and schema orders`,
      `role ${made.name}_product and schema products`,
    ]);
    const engines = await open();
    expect(engines.made).toEqual([]);
    expect(await engines.failing()).toEqual([]);
    await engines.close();
  });

  it('are told as SQL to whoever may not make them, without a password, and work once it was run', async () => {
    const url = await createLogin('plain');
    const printed = await refusedSql({ ...config, url });
    expect(printed).not.toContain(SECRET);
    expect(printed.match(/password/g)).toHaveLength(2);
    expect(printed.match(/password 'SCRAM-SHA-256\$/g)).toHaveLength(2);
    await asSuperuser((admin) => admin.unsafe(printed));
    const engines = await open({ ...config, url });
    expect(await engines.failing()).toEqual([]);
    expect(await migrate(engines.of('order'), 'orders', ['platform'])).not.toEqual([]);
    await engines.close();
  });

  it('are made by a login that may make roles without being a superuser, more than once', async () => {
    const url = await createLogin('maker', 'createrole');
    const printed = await refusedSql({ ...config, url });
    expect(printed).toContain('create role');
    await asSuperuser((admin) => admin.unsafe(`grant create on database ${made.name} to ${made.name}_maker`));
    expect(await makeRoles({ ...config, url }, owners)).toHaveLength(2);
    const engines = await open({ ...config, url });
    expect(await migrate(engines.of('order'), 'orders', ['platform'])).not.toEqual([]);
    expect(await engines.failing()).toEqual([]);
    await engines.close();
    // It owns nothing itself, and must not keep its rights in the database when both go.
    await asSuperuser((admin) => admin.unsafe(`drop owned by ${made.name}_maker cascade`));
  });

  it('are left alone by a login that may make roles but not these', async () => {
    const url = await createLogin('stranger', 'createrole');
    await asSuperuser((admin) =>
      admin.unsafe(`grant create on database ${made.name} to ${made.name}_stranger`),
    );
    const role = `${made.name}_order`;
    // Only a superuser may change another one.
    await asSuperuser((admin) => admin.unsafe(`create role ${role} login superuser; create schema orders`));
    const onlyOrder = owners.filter(({ module }) => module === 'order');
    expect(await makeRoles({ ...config, url }, onlyOrder)).toEqual([]);
    const printed = await refusedSql({ ...config, url });
    expect(printed).toContain(`alter role "${role}"`);
    await asSuperuser((admin) => admin.unsafe(`drop owned by ${made.name}_stranger cascade`));
  });

  it('keep the same verifier from start to start', async () => {
    const read = () =>
      asSuperuser(
        (admin) => admin`
        select rolname, rolpassword from pg_authid where starts_with(rolname, ${`${made.name}_`}) order by 1`,
      );
    await makeRoles(config, owners);
    const before = [...(await read())];
    await makeRoles(config, owners);
    expect([...(await read())]).toEqual(before);
    expect(new Set(before.map((row) => row.rolpassword)).size).toBe(2);
  });

  it('follow the password of DATABASE_URL when it changes', async () => {
    const first = await createLogin('chief', 'superuser');
    const second = new URL(first);
    second.password = 'another';
    await open({ ...config, url: first }).then((engines) => engines.close());
    await asSuperuser((admin) => admin.unsafe(`alter role ${made.name}_chief password 'another'`));
    const engines = await open({ ...config, url: second.href });
    expect(await engines.failing()).toEqual([]);
    await engines.close();
  });

  it('are replaced by the one in the URL of a module', async () => {
    const own = await createLogin('own');
    await asSuperuser((admin) => admin.unsafe(`create schema orders authorization ${made.name}_own`));
    const engines = await open({ ...config, moduleUrls: { order: own } });
    expect(engines.made).toEqual([`role ${made.name}_product and schema products`]);
    await migrate(engines.of('order'), 'orders', ['platform']);
    const users = await engines.of('order').database('orders').rows(sql`select current_user::text as name`);
    expect(users).toEqual([{ name: `${made.name}_own` }]);
    await engines.close();
  });

  it('have timeouts that every new session keeps to', async () => {
    const engines = await open();
    await migrate(engines.of('order'), 'orders', ['platform']);
    await engines.close();
    const fresh = await open();
    const [row] = await fresh
      .of('order')
      .database('orders')
      .rows(sql`
      select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('idle_in_transaction_session_timeout') as idle`);
    expect(row).toEqual({
      statement: `${STATEMENT_TIMEOUT_MS / 1000}s`,
      lock: `${LOCK_TIMEOUT_MS / 1000}s`,
      idle: `${IDLE_IN_TRANSACTION_TIMEOUT_MS / 1000}s`,
    });
    await fresh.close();
  });

  it('are asked for in one sentence when they are missing and nothing may be made', async () => {
    await expect(open(config, 'off')).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'roles_missing',
      message: expect.stringContaining('run `banyan migrate` first'),
    });
    await makeRoles(config, owners);
    const engines = await open(config, 'off');
    expect(await pendingMigrations(engines.of('order'), 'orders', ['platform'])).not.toEqual([]);
    await engines.close();
  });
});

describe('the budget of connections', () => {
  it('is shared out among the modules, at least one each', async () => {
    for (const [poolMax, shares] of [
      [5, [3, 2]],
      [1, [1, 1]],
    ] as const) {
      const engines = await open({ ...config, poolMax });
      expect([...engines.pools().values()].map(({ max }) => max)).toEqual(shares);
      await engines.close();
    }
  });
});

it('migrates once, however many start at the same time', async () => {
  const engines = await Promise.all(Array.from({ length: 3 }, () => open()));
  const applied = await Promise.all(engines.map((each) => migrate(each.of('order'), 'orders', ['platform'])));
  expect(applied.filter((files) => files.length > 0)).toHaveLength(1);
  await Promise.all(engines.map((each) => each.close()));
});
