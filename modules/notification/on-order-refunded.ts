import type { orderRefunded } from '#modules/order/events';
import type { DataOf } from '#platform/events/event';
import { queueMails } from './queue-mail.ts';

/** Tells a buyer that a cancelled order's money is on its way back. */
export function createOnOrderRefunded(wake: () => void) {
  return queueMails<DataOf<typeof orderRefunded>>(wake, ({ data }) => ({
    kind: 'order_refunded',
    data: { number: data.number, amount: data.amount },
  }));
}
