import type { AuditCheck, Finding } from '#platform/audit';
import { BEFORE_ALL_IDS } from '#platform/database/sql';
import { moneyFault } from './audit-money.ts';
import { readSettledOrders, readStreams, readStuckOrders, readUnloggedOrders } from './audit-store.ts';
import { BATCH, SAGA_GRACE_MS, UNPAID_GRACE_MS, UNPAID_WINDOW_MS } from './limits.ts';
import type { OrderContext } from './order-context.ts';

/** The module's checks of docs/invariants.md: money (I2), no standstill (I4), a whole log (I6). */
export function auditOrders(context: OrderContext): AuditCheck[] {
  return [
    () => auditMoney(context),
    () => auditProgress(context),
    () => auditLog(context),
    () => auditUnlogged(context),
  ];
}

/**
 * The two modules are read one after the other, so what moves in between may look broken here; whoever runs the
 * audit on a living shop looks again.
 */
async function* auditMoney({ database, needs }: OrderContext): AsyncIterable<Finding> {
  let after = BEFORE_ALL_IDS;
  for (;;) {
    const orders = await readSettledOrders(database, after, BATCH);
    const last = orders.at(-1);
    if (!last) return;
    after = last.id;
    const { settlements } = await needs.payment.settlements({ orderIds: orders.map((order) => order.id) });
    const byOrder = new Map(settlements.map((settlement) => [settlement.orderId, settlement]));
    for (const order of orders) {
      const detail = moneyFault(order, byOrder.get(order.id));
      if (detail !== undefined) {
        yield { invariant: 'I2', subject: `order ${order.id} (${order.number})`, detail };
      }
    }
  }
}

async function* auditProgress({ database }: OrderContext): AsyncIterable<Finding> {
  const graceMs = { saga: SAGA_GRACE_MS, unpaid: UNPAID_WINDOW_MS + UNPAID_GRACE_MS };
  for (const { id, detail } of await readStuckOrders(database, graceMs, BATCH)) {
    yield { invariant: 'I4', subject: `order ${id}`, detail };
  }
}

async function* auditLog({ database }: OrderContext): AsyncIterable<Finding> {
  let after = BEFORE_ALL_IDS;
  for (;;) {
    const streams = await readStreams(database, after, BATCH);
    const end = streams.at(-1);
    if (!end) return;
    after = end.stream;
    for (const { stream, first, last, count, viewed } of streams) {
      const subject = `order ${stream}`;
      if (first !== 1 || last !== count) {
        const detail = `its log has ${count} events with versions from ${first} to ${last}`;
        yield { invariant: 'I6', subject, detail };
      }
      if (viewed !== last) {
        const found = viewed === null ? 'is missing' : `stands at version ${viewed}`;
        yield { invariant: 'I6', subject, detail: `its read model ${found}, its log at ${last}` };
      }
    }
  }
}

async function* auditUnlogged({ database }: OrderContext): AsyncIterable<Finding> {
  for (const id of await readUnloggedOrders(database, BATCH)) {
    yield { invariant: 'I6', subject: `order ${id}`, detail: 'its read model has no events' };
  }
}
