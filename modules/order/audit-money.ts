import type { paymentContract } from '#modules/payment/contract';
import type { Api } from '#platform/rpc/contract';
import type { AuditedOrder } from './audit-store.ts';

export type Settlement = Awaited<
  ReturnType<Api<typeof paymentContract>['settlements']>
>['settlements'][number];

/**
 * What is wrong between an order that no saga works on and its payments (I2); undefined when all is well. An order
 * that was never charged has no settlement.
 */
export function moneyFault(order: AuditedOrder, settlement: Settlement | undefined): string | undefined {
  const { captures, captured, refunded } = settlement ?? { captures: 0, captured: 0, refunded: 0 };
  const found = `${captures} captures of ${captured}, ${refunded} of it refunded`;
  if (captures > 0 && settlement?.currency !== order.currency) {
    return `is in ${order.currency}, its payments in ${settlement?.currency}`;
  }
  if (refunded > captured) return `more was refunded than captured: ${found}`;
  if (order.status === 'paid' || order.status === 'shipped' || order.status === 'delivered') {
    const once = captures === (order.total > 0 ? 1 : 0) && captured === order.total;
    return once ? undefined : `is ${order.status} with a total of ${order.total}, but has ${found}`;
  }
  // Money still on its way back is owed, not lost: payment returns it without the order.
  if (captured === refunded || settlement?.pending) return undefined;
  return `is ${order.status} and should net to zero, but has ${found}`;
}
