import { sleep } from '../src/deadline.ts';
import { type Databases, type Schema, schemas } from './databases.ts';

const LOOK_MS = 25;
/** A delivery that has to be tried again waits for a second or two; nothing here has to be for longer. */
const BOUND_MS = 60_000;

const open: Readonly<Record<Schema, string>> = {
  users: '',
  products: `
    union all select 'jobs', count(*) from products.job where state in ('queued', 'running')`,
  orders: `
    union all select 'sagas', count(*) from orders.saga where state <> 'done'
    union all select 'pending orders', count(*) from orders.order_view where status = 'pending'`,
  payments: `
    union all select 'payments', count(*) from payments.payment where due_at is not null
    union all select 'refunds', count(*) from payments.refund where due_at is not null
    union all select 'webhooks', count(*) from payments.sandbox_webhook where due_at is not null`,
  notifications: `
    union all select 'mails', count(*) from notifications.mail where state = 'queued'`,
};

/**
 * Waits until nothing is under way in any module: every event has reached its consumers, every saga its end. Rejects
 * with what is left after a minute.
 */
export async function settle(databases: Databases): Promise<void> {
  const endsAt = performance.now() + BOUND_MS;
  for (;;) {
    const left = await openWork(databases);
    if (left.length === 0) return;
    if (performance.now() > endsAt)
      throw new Error(`still under way after ${BOUND_MS} ms: ${left.join(', ')}`);
    await sleep(LOOK_MS);
  }
}

/**
 * One module may hand work to one that was looked at before it, so an empty look counts only when the next one is
 * empty too.
 */
async function openWork(databases: Databases): Promise<string[]> {
  const first = await look(databases);
  return first.length > 0 ? first : await look(databases);
}

async function look(databases: Databases): Promise<string[]> {
  const left: string[] = [];
  for (const schema of schemas) {
    const rows: { kind: string; count: number }[] = await databases.of(schema).unsafe(`
      select 'deliveries' as kind, count(*)::int as count from ${schema}.delivery
      where state in ('pending', 'leased') ${open[schema]}`);
    for (const { kind, count } of rows) if (Number(count) > 0) left.push(`${count} ${kind} of ${schema}`);
  }
  return left;
}
