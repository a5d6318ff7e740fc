import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Databases, type Schema, schemas } from './databases.ts';
import { createMasker } from './masks.ts';
import type { Transcript } from './transcript.ts';

/**
 * What is left when everything has come to its end: every event and what became of it, the mails, and the books of
 * all modules. Streams are shown in the order in which their ids came up before, so that it does not matter which
 * module was quicker.
 */
export async function describeAftermath(
  transcript: Transcript,
  shop: { readonly databases: Databases; readonly mailFolder: string },
): Promise<void> {
  for (const schema of schemas) await describeEvents(transcript, shop.databases, schema);
  await describeOrders(transcript, shop.databases);
  await describeStock(transcript, shop.databases);
  await describePayments(transcript, shop.databases);
  describeMails(transcript, shop.mailFolder);
}

async function describeEvents(transcript: Transcript, databases: Databases, schema: Schema): Promise<void> {
  const sql = databases.of(schema);
  transcript.part(`events of ${schema}`);
  const events = await sql<
    { stream: string; version: string; type: string; data: unknown; deliveries: string }[]
  >`
    select o.stream, o.version, o.type, o.data, (
      select string_agg(d.consumer || ' ' || d.state, ', ' order by d.consumer)
      from ${sql(schema)}.delivery d where d.event_id = o.id) as deliveries
    from ${sql(schema)}.outbox o order by o.at, o.id`;
  for (const { stream, version, type, data, deliveries } of byAppearance(
    transcript,
    events,
    (each) => each.stream,
  )) {
    transcript.note(`${stream} ${version} ${type} ${JSON.stringify(data)} → ${deliveries ?? 'nobody'}`);
  }
  const [handled] = await sql`select count(*)::int as count from ${sql(schema)}.inbox`;
  transcript.note(`${handled!.count} events handled`);
}

/** The log of each order, and the row that was made of it. */
async function describeOrders(transcript: Transcript, databases: Databases): Promise<void> {
  const sql = databases.of('orders');
  transcript.part('orders');
  const rows = await sql`
    select v.id::text, v.number, v.status, v.total, v.currency, v.reason, v.version, v.payment_id,
      a.address is not null as "hasAddress", (
        select string_agg(e.version || ' ' || e.type, ', ' order by e.version)
        from orders.event e where e.stream = v.id) as events
    from orders.order_view v left join orders.order_address a on a.order_id = v.id order by v.number`;
  for (const row of rows) transcript.note(JSON.stringify(row));
  const sagas = await sql`
    select name, state, outcome, count(*)::int as count from orders.saga group by 1, 2, 3 order by 1, 2, 3`;
  for (const row of sagas) transcript.note(JSON.stringify(row));
}

async function describeStock(transcript: Transcript, databases: Databases): Promise<void> {
  const sql = databases.of('products');
  transcript.part('stock');
  // Sales of different orders have no order among each other, as events of different streams have none.
  const stocks = await sql`
    select v.sku, s.initial, s.on_hand, s.reserved, (
      select string_agg(e.delta::text, ' ' order by e.order_id nulls first, e.position)
      from products.stock_entry e where e.variant_id = s.variant_id) as ledger
    from products.stock s join products.variant v on v.id = s.variant_id order by v.sku`;
  for (const row of stocks) transcript.note(JSON.stringify(row));
  const reservations = await sql<{ id: string; state: string; pinned: boolean }[]>`
    select order_id::text as id, state, pinned from products.reservation order by created_at`;
  for (const row of byAppearance(transcript, reservations, ({ id }) => id))
    transcript.note(JSON.stringify(row));
}

/** The payments, and what the provider has of them in its own books. */
async function describePayments(transcript: Transcript, databases: Databases): Promise<void> {
  const sql = databases.of('payments');
  transcript.part('payments');
  const rows = await sql<{ id: string }[]>`
    select p.order_id::text as id, p.id::text as payment, p.status, p.reason, p.amount, p.currency, p.refunded,
      c.state as "atProvider", c.refunded as "refundedThere", (
        select string_agg(r.amount || ' ' || r.cause, ', ' order by r.created_at, r.id)
        from payments.refund r where r.payment_id = p.id) as refunds
    from payments.payment p left join payments.sandbox_charge c on c.key = p.id::text order by p.created_at, p.id`;
  for (const row of byAppearance(transcript, rows, ({ id }) => id)) transcript.note(JSON.stringify(row));
}

/** Whole messages, in the order of what they say. */
function describeMails(transcript: Transcript, folder: string): void {
  transcript.part('mails');
  const mails = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  // Sorted by what is the same in every run; the transcript then masks them in this order.
  const sortKey = (mail: string) => createMasker().mask(mail);
  const sorted = mails
    .map((mail) => ({ mail, key: `${/^To: .*$/m.exec(mail)?.[0]} ${sortKey(mail)}` }))
    .sort((one, other) => (one.key < other.key ? -1 : 1));
  for (const { mail } of sorted) transcript.note(`${mail.replaceAll('\r\n', '\n')}\n`);
}

/** Sorted by when the id in `textOf` was first shown; those never shown come last, as they are. */
function byAppearance<Row>(
  transcript: Transcript,
  rows: readonly Row[],
  textOf: (row: Row) => string,
): Row[] {
  const numberOf = (row: Row) =>
    transcript.numberOf(textOf(row).replace(/^\w+:/, '')) ?? Number.MAX_SAFE_INTEGER;
  return [...rows].sort((one, other) => numberOf(one) - numberOf(other));
}
