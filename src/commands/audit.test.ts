import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SQL, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../database/embedded.ts';
import { startShop } from '../testing/shop.ts';
import { runBanyan } from '../testing/spawn-banyan.ts';

let dataDir: string;
let orderIds: string[];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'banyan-audit-'));
  const shop = await startShop({ dataDir });
  const staff = await shop.signUp('staff');
  const customer = await shop.signUp();
  const variants = [{ sku: 'A', prices: [{ amount: 250, currency: 'GBP' }], onHand: 100 }];
  await shop.request('POST', '/products', { token: staff.token, body: { name: 'Audited', variants } });
  orderIds = [];
  for (const key of ['money', 'stuck', 'event', 'gap']) {
    const { status, body } = await shop.request('POST', '/orders', {
      token: customer.token,
      headers: { 'idempotency-key': key },
      body: {
        items: [{ sku: 'A', quantity: 2 }],
        currency: 'GBP',
        payment: { method: 'card', token: 'tok_ok' },
      },
    });
    expect(status).toBe(201);
    orderIds.push(body.id);
  }
  await shop.settled();
  await shop.stop();
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const audit = () => runBanyan(['audit', '--json', '--data-dir', dataDir, '--log-level', 'silent']);

/** Changes rows behind the back of a stopped shop. */
async function plant(...changes: readonly SQL[]): Promise<void> {
  const engine = await openEmbedded({ folder: dataDir });
  for (const change of changes) await engine.database('orders').rows(change);
  await engine.close();
}

test('a shop that traded is clean, and exit code 0 says so', async () => {
  expect(await audit()).toMatchObject({ code: 0, out: '' });
});

test('one violation of each invariant is named, and exit code 1 says so', async () => {
  const [money, stuck, event, gap] = orderIds;
  await plant(
    sql`update products.stock set on_hand = on_hand + 1`,
    sql`update orders.order_view set total = total + 1 where id = ${money}::uuid`,
    sql`update orders.order_view set status = 'pending', created_at = now() - interval '1 hour',
          updated_at = now() - interval '1 hour' where id = ${stuck}::uuid`,
    sql`delete from notifications.inbox where stream = ${`order:${event}`}`,
    sql`delete from orders.event where stream = ${gap}::uuid and version = 1`,
  );
  const { code, out } = await audit();
  expect(code).toBe(1);
  const findings: { invariant: string; subject: string; detail: string }[] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const named = (invariant: string, what: string | undefined) =>
    findings.some(
      (found) => found.invariant === invariant && `${found.subject} ${found.detail}`.includes(what!),
    );
  expect(named('I1', 'sku A')).toBe(true);
  expect(named('I2', money)).toBe(true);
  expect(named('I4', stuck)).toBe(true);
  expect(named('I5', 'notification')).toBe(true);
  expect(named('I6', gap)).toBe(true);
});

test('where no module is, an audit does not say that all is well', async () => {
  const env = { MODULES: '', SERVICE_SECRET: 'a secret of this test, long enough' };
  const { code, out, err } = await runBanyan(['audit'], env);
  expect([code, out]).toEqual([78, '']);
  expect(err).toContain('MODULES names no module');
});
