import type postgres from 'postgres';
import { sleep } from '../src/deadline.ts';
import type { Cluster } from './cluster.ts';

const LOOK_MS = 500;
export const schemas = ['users', 'products', 'orders', 'payments', 'notifications'] as const;

/** What is still under way, by kind; kinds with nothing are left out. */
export async function openWork(sql: postgres.Sql): Promise<Record<string, number>> {
  const deliveries = schemas.map(
    (schema) => `select '${schema} deliveries' as kind, count(*)::int from ${schema}.delivery
      where state in ('pending', 'leased')`,
  );
  const rows: { kind: string; count: number }[] = await sql.unsafe(`
    ${deliveries.join(' union all ')}
    union all select 'sagas', count(*)::int from orders.saga where state <> 'done'
    union all select 'pending orders', count(*)::int from orders.order_view where status = 'pending'
    union all select 'open payments', count(*)::int from payments.payment where due_at is not null
    union all select 'open refunds', count(*)::int from payments.refund where due_at is not null
    union all select 'webhooks', count(*)::int from payments.sandbox_webhook where due_at is not null
    union all select 'queued mails', count(*)::int from notifications.mail where state = 'queued'`);
  return Object.fromEntries(rows.filter(({ count }) => count > 0).map(({ kind, count }) => [kind, count]));
}

/** As `2 orders deliveries, 1 sagas`; empty when nothing is under way. */
export function describeWork(work: Readonly<Record<string, number>>): string {
  return Object.entries(work)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}

/**
 * Waits until nothing is under way any more. Resolves with how long that took, and with what is left when the bound
 * passed; a database that does not answer counts as everything left.
 */
export async function settle(
  cluster: Cluster,
  boundMs: number,
): Promise<{
  tookMs: number;
  left: Readonly<Record<string, number>>;
  /** What was waited for at the end. */
  last: Readonly<Record<string, number>>;
}> {
  const startedMs = performance.now();
  let last: Readonly<Record<string, number>> = {};
  return await cluster.query(async (sql) => {
    for (;;) {
      const left = await openWork(sql);
      const tookMs = performance.now() - startedMs;
      if (Object.keys(left).length === 0 || tookMs > boundMs) return { tookMs, left, last };
      last = left;
      await sleep(LOOK_MS);
    }
  });
}
