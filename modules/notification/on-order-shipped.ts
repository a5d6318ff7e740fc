import type { orderShipped } from '#modules/order/events';
import type { DataOf } from '#platform/events/event';
import { queueMails } from './queue-mail.ts';

/** Tells a buyer how to follow the parcel. */
export function createOnOrderShipped(wake: () => void) {
  return queueMails<DataOf<typeof orderShipped>>(wake, ({ data }) => ({
    kind: 'order_shipped',
    data: { number: data.number, trackingNumber: data.trackingNumber, carrier: data.carrier },
  }));
}
