import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkBooks } from './check-books.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { type Load, startLoad } from './load.ts';
import { settle } from './settle.ts';

let folder: string;
let cluster: Cluster | undefined;
let load: Load;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-books-'));
  cluster = await startCluster({ folder, http: 1, workers: 1 });
  load = await startLoad({
    urls: cluster.http.map((each) => each.url),
    admin: cluster.admin,
    seed: 1,
    plain: true,
  });
  await load.reached(60);
  await load.stop();
  expect((await settle(cluster, 60_000)).left).toEqual({});
}, 180_000);

afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('books in order give no findings, and each broken promise that is planted is named', async () => {
  const shop = cluster!;
  expect(await checkBooks(shop, load.orders)).toEqual({ lost: [], duplicated: [], wrong: [] });

  const paid = [...load.orders.values()].filter((order) => order.status === 'paid' && order.refunded === 0);
  const [gone, other, twin, charged, refunded, unmailed, taken, unsold, late] = paid.map(({ id }) => id);
  await shop.query(async (sql) => {
    await sql`delete from orders.order_view where id = ${gone!}`;
    await sql`update orders.order_view set status = 'cancelled' where id = ${other!}`;
    await sql`
      with twin as (
        insert into orders.order_view
        select gen_random_uuid(), number || '-2', user_id, 'rejected', currency, items, total, reason,
          tracking_number, payment_id, version, created_at, updated_at
        from orders.order_view where id = ${twin!} returning id)
      insert into orders.order_address
      select twin.id, user_id, address from orders.order_address, twin where order_id = ${twin!}`;
    await sql`
      with again as (
        insert into payments.payment (id, order_id, user_id, provider, amount, currency, status)
        select gen_random_uuid(), order_id, user_id, provider, amount, currency, status
        from payments.payment where order_id = ${charged!} returning id, amount, currency)
      insert into payments.sandbox_charge (key, amount, currency, state)
      select id::text, amount, currency, 'captured' from again`;
    await sql`
      update payments.sandbox_charge set refunded = 5
      where key = (select id::text from payments.payment where order_id = ${refunded!})`;
    await sql`delete from notifications.mail where data ->> 'orderId' = ${unmailed!}`;
    await sql`
      insert into products.stock_entry (variant_id, delta, reason, order_id, on_hand)
      select variant_id, delta, reason, order_id, on_hand from products.stock_entry
      where order_id = ${taken!} limit 1`;
    await sql`update products.reservation set state = 'released' where order_id = ${unsold!}`;
    await sql`
      update orders.delivery set state = 'parked'
      where stream = ${`order:${late}`} and consumer = 'notification'`;
  });

  const { lost, duplicated, wrong } = await checkBooks(shop, load.orders);
  // In whichever order the database tells them.
  expect(lost).toHaveLength(4);
  expect(lost).toEqual(
    expect.arrayContaining([
      expect.stringContaining(`order ${gone}`),
      expect.stringContaining(`order ${other}`),
      expect.stringContaining(`order ${unmailed} was paid and has no mail`),
      expect.stringMatching(/is parked for notification/),
    ]),
  );
  expect(duplicated).toHaveLength(4);
  expect(duplicated).toEqual(
    expect.arrayContaining([
      expect.stringMatching(new RegExp(`orders .*${twin}.* were both made for`)),
      expect.stringContaining(`order ${charged} was charged 2 times`),
      expect.stringContaining(`order ${refunded} was refunded 5, and 0 were asked for`),
      expect.stringContaining(`order ${taken} took its stock 2 times`),
    ]),
  );
  expect(wrong).toEqual(
    expect.arrayContaining([
      expect.stringContaining(`order ${other} is cancelled, and the provider keeps`),
      expect.stringContaining(`order ${charged} costs`),
      expect.stringContaining(`order ${unsold} is paid, and its stock is released`),
      expect.stringMatching(/^mail .* was sent, and nobody asked for it$/),
    ]),
  );
});
