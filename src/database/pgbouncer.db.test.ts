import { AsyncLocalStorage } from 'node:async_hooks';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatabaseConfig } from '../config.ts';
import { hasPgbouncer, type PgbouncerServer, startPgbouncer } from '../testing/servers/pgbouncer-server.ts';
import { startShop, type TestShop } from '../testing/shop.ts';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import type { Queryable } from './database.ts';
import { openPostgres } from './postgres.ts';

/** For each login; fewer than the shop's connections, so that they take turns. */
const SESSIONS = 2;

// npm brings no PgBouncer: a bare machine runs all other tests, and says that it left these out. CI installs one.
describe.skipIf(!(await hasPgbouncer()))('behind PgBouncer', () => {
  let made: TestDatabase;
  let pooler: PgbouncerServer;
  let config: DatabaseConfig;
  beforeAll(async () => {
    made = await createTestDatabase();
    pooler = await startPgbouncer({ postgresUrl: made.url, sessions: SESSIONS });
    config = { url: pooler.url, moduleUrls: {}, poolMax: 20, pooler: 'transaction' };
  });
  afterAll(async () => {
    await pooler?.stop();
    await made.drop();
  });

  describe('a shop behind PgBouncer in transaction mode', () => {
    let shop: TestShop;
    beforeAll(async () => {
      shop = await startShop({ config: { database: config } });
    });
    afterAll(() => shop.stop());

    it('sells to more clients at once than there are sessions, and breaks no invariant', async () => {
      const staff = await shop.signUp('staff');
      const customer = await shop.signUp();
      const variants = [{ sku: 'A', prices: [{ amount: 100, currency: 'GBP' }], onHand: 30 }];
      const product = await shop.request('POST', '/products', {
        token: staff.token,
        body: { name: 'Shared', variants },
      });
      expect(product.status).toBe(201);
      const orders = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          shop.request('POST', '/orders', {
            token: customer.token,
            headers: { 'idempotency-key': `order-${index}`, prefer: 'wait=30' },
            body: {
              items: [{ sku: 'A', quantity: 1 }],
              currency: 'GBP',
              payment: { method: 'card', token: 'tok_ok' },
            },
          }),
        ),
      );
      expect(orders.filter(({ body }) => body.status === 'paid')).toHaveLength(30);
      await shop.settled();
      const stock = await shop.database('product').rows(sql`select on_hand, reserved from products.stock`);
      expect(stock).toEqual([{ on_hand: 0, reserved: 0 }]);
      const findings = [];
      for await (const finding of shop.shop.audit()) findings.push(finding);
      expect(findings).toEqual([]);
    });

    it('shares its few sessions', async () => {
      const [row] = await shop.database('order').rows<{ sessions: number }>(sql`
      select count(*)::int as sessions from pg_stat_activity
      where datname = current_database() and usename = current_user`);
      expect(row?.sessions).toBeLessThanOrEqual(SESSIONS);
    });
  });

  describe('a statement that is repeated in two transactions there', () => {
    /** By one client on two sessions, since another client has the first one meanwhile. Returns the sessions' ids. */
    async function repeat(prepare: boolean): Promise<(number | undefined)[]> {
      const login = { url: pooler.url, prepare, applicationName: `repeat ${prepare}` };
      const engines = [openPostgres(login, 1), openPostgres(login, 1)];
      const [first, second] = engines.map((engine) => engine.database('public'));
      const read = async (tx: Queryable) => {
        const [row] = await tx.rows<{ pid: number }>(sql`select pg_backend_pid() as pid where ${1}::int = 1`);
        return row?.pid;
      };
      try {
        const before = await first!.transaction(read);
        return await second!.transaction(async (tx) => {
          const [own] = await tx.rows<{ pid: number }>(sql`select pg_backend_pid() as pid`);
          expect(own?.pid).toBe(before);
          return [before, await outside(() => first!.transaction(read))];
        });
      } finally {
        for (const engine of engines) await engine.close();
      }
    }

    it('works with DATABASE_POOLER=transaction', async () => {
      const [before, after] = await repeat(false);
      expect([before, after]).toEqual([expect.any(Number), expect.any(Number)]);
      expect(after).not.toBe(before);
    });

    it('fails without, since it was prepared on the other session', async () => {
      await expect(repeat(true)).rejects.toMatchObject({ code: '26000' });
    });
  });
});

/** Runs `work` as if by another request, since one inside a transaction may not use the outer handle. */
const outside = AsyncLocalStorage.snapshot();
