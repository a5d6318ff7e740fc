import type { orderPaid } from '#modules/order/events';
import type { DataOf } from '#platform/events/event';
import { queueMails } from './queue-mail.ts';

/** Confirms a paid order to its buyer. */
export function createOnOrderPaid(wake: () => void) {
  return queueMails<DataOf<typeof orderPaid>>(wake, ({ data }) => ({
    kind: 'order_paid',
    data: { orderId: data.orderId },
  }));
}
