import { readdirSync } from 'node:fs';
import type postgres from 'postgres';
import type { Cluster } from './cluster.ts';
import type { AcknowledgedOrder } from './load.ts';
import { schemas } from './settle.ts';

/** What a check found; each finding is a sentence. */
export interface Findings {
  readonly lost: string[];
  readonly duplicated: string[];
  readonly wrong: string[];
}

interface StoredOrder {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly total: number;
  readonly key: string | null;
  /** By the provider's own ledger. */
  readonly captures: number;
  readonly captured: number;
  readonly refunded: number;
  readonly paidEvents: number;
  readonly mails: number;
  readonly reservation: string | null;
}

/**
 * Reads every order with what the provider's ledger, the stock and the mail have of it, straight from the tables, and
 * compares it with what clients were told. Only for a shop in which nothing is under way.
 */
export async function checkBooks(
  cluster: Pick<Cluster, 'query' | 'mailFolder'>,
  acknowledged: ReadonlyMap<string, AcknowledgedOrder>,
): Promise<Findings> {
  const findings: Findings = { lost: [], duplicated: [], wrong: [] };
  await cluster.query(async (sql) => {
    const stored = await readOrders(sql);
    compareAcknowledged(stored, acknowledged, findings);
    compareKeys(stored, findings);
    for (const order of stored.values()) checkMoney(order, acknowledged.get(order.id)?.refunded, findings);
    for (const order of stored.values()) checkEffects(order, findings);
    await checkEvents(sql, findings);
    await checkMail(sql, cluster.mailFolder, findings);
  });
  return findings;
}

async function readOrders(sql: postgres.Sql): Promise<Map<string, StoredOrder>> {
  const rows = await sql<StoredOrder[]>`
    select v.id, v.status, v.reason, v.total::float8 as total, a.address ->> 'line1' as key,
      coalesce(c.captures, 0)::int as captures, coalesce(c.captured, 0)::float8 as captured,
      coalesce(c.refunded, 0)::float8 as refunded, coalesce(e.count, 0)::int as "paidEvents",
      coalesce(m.count, 0)::int as mails, r.state as reservation
    from orders.order_view v
    left join orders.order_address a on a.order_id = v.id
    left join (
      select p.order_id, count(*) as captures, sum(s.amount) as captured, sum(s.refunded) as refunded
      from payments.payment p join payments.sandbox_charge s on s.key = p.id::text
      where s.state = 'captured' group by p.order_id) c on c.order_id = v.id
    left join (
      select stream, count(*) from orders.outbox where type = 'order.paid.v1' group by stream
    ) e on e.stream = 'order:' || v.id
    left join (
      select data ->> 'orderId' as order_id, count(*) from notifications.mail
      where kind = 'order_paid' group by 1) m on m.order_id = v.id::text
    left join products.reservation r on r.order_id = v.id`;
  return new Map(rows.map((row) => [row.id, row]));
}

function compareAcknowledged(
  stored: ReadonlyMap<string, StoredOrder>,
  acknowledged: ReadonlyMap<string, AcknowledgedOrder>,
  { lost }: Findings,
): void {
  for (const { id, key, status, total } of acknowledged.values()) {
    const order = stored.get(id);
    if (!order) lost.push(`order ${id} of ${key} was acknowledged as ${status} and is not there`);
    else if (status !== 'pending' && order.status !== status)
      lost.push(
        `order ${id} of ${key} was acknowledged as ${status} and is ${order.status} (${order.reason})`,
      );
    else if (total !== undefined && order.total !== total)
      lost.push(`order ${id} of ${key} was acknowledged with ${total} and comes to ${order.total}`);
    else if (order.key !== key) lost.push(`order ${id} of ${key} is kept as of ${order.key}`);
  }
}

function compareKeys(stored: ReadonlyMap<string, StoredOrder>, { duplicated }: Findings): void {
  const byKey = new Map<string, string>();
  for (const { id, key, status, reason } of stored.values()) {
    // An order that was given up frees its key for another one.
    if (key === null || (status === 'cancelled' && reason === 'abandoned')) continue;
    const other = byKey.get(key);
    if (other !== undefined) duplicated.push(`orders ${other} and ${id} were both made for ${key}`);
    byKey.set(key, id);
  }
}

/** One capture of exactly the total for what is paid; nothing kept of anything else. */
function checkMoney(order: StoredOrder, refunded: number | undefined, findings: Findings): void {
  const { id, status, total, captures, captured } = order;
  const kept = captured - order.refunded;
  if (captures > 1) findings.duplicated.push(`order ${id} was charged ${captures} times`);
  if (status === 'paid') {
    if (captured !== total) findings.wrong.push(`order ${id} costs ${total}, and ${captured} were captured`);
    if (refunded !== undefined && order.refunded > refunded)
      findings.duplicated.push(`order ${id} was refunded ${order.refunded}, and ${refunded} were asked for`);
    if (refunded !== undefined && order.refunded < refunded)
      findings.lost.push(`order ${id} was refunded ${order.refunded}, and ${refunded} were acknowledged`);
  } else if (kept !== 0) {
    findings.wrong.push(`order ${id} is ${status}, and the provider keeps ${kept} of it`);
  }
}

/** An order that was ever paid told so once, its mail went out once, and its stock went once. */
function checkEffects(order: StoredOrder, findings: Findings): void {
  const { id, status, paidEvents, mails, reservation } = order;
  if (paidEvents > 1) findings.duplicated.push(`order ${id} told ${paidEvents} times that it was paid`);
  if (mails > paidEvents)
    findings.duplicated.push(`order ${id} was paid ${paidEvents} times and has ${mails} mails`);
  if (mails < paidEvents) findings.lost.push(`order ${id} was paid and has no mail`);
  if (status === 'paid' && paidEvents === 0) findings.lost.push(`order ${id} is paid and told nobody`);
  const expected: Readonly<Record<string, readonly (string | null)[]>> = {
    paid: ['sold'],
    cancelled: ['released', 'returned', 'expired', null],
    rejected: ['released', null],
    awaiting_payment: ['open'],
  };
  if (!(expected[status] ?? []).includes(reservation))
    findings.wrong.push(`order ${id} is ${status}, and its stock is ${reservation}`);
}

async function checkEvents(sql: postgres.Sql, findings: Findings): Promise<void> {
  for (const schema of schemas) {
    const left = await sql`
      select event_id, consumer, state, last_error from ${sql(schema)}.delivery
      where state not in ('done', 'skipped') limit 20`;
    for (const { event_id, consumer, state, last_error } of left)
      findings.lost.push(`event ${event_id} of ${schema} is ${state} for ${consumer}: ${last_error}`);
  }
  const twice = await sql`
    select order_id, variant_id, sum(delta)::float8 as sum, count(*)::int from products.stock_entry
    where order_id is not null and delta < 0 group by order_id, variant_id having count(*) > 1 limit 20`;
  for (const { order_id, count } of twice)
    findings.duplicated.push(`order ${order_id} took its stock ${count} times`);
}

async function checkMail(sql: postgres.Sql, folder: string, findings: Findings): Promise<void> {
  const files = new Set(
    readdirSync(folder)
      .filter((name) => name.endsWith('.eml'))
      .map((name) => name.slice(0, -'.eml'.length)),
  );
  const mails = await sql<{ id: string; state: string }[]>`select id, state from notifications.mail`;
  for (const { id, state } of mails) {
    if (state !== 'sent') findings.lost.push(`mail ${id} is ${state}`);
    else if (!files.delete(id)) findings.lost.push(`mail ${id} counts as sent and was not`);
  }
  for (const id of files) findings.wrong.push(`mail ${id} was sent, and nobody asked for it`);
}
