import { z } from 'zod';
import { defineEvent } from '#platform/events/event';
import { moneySchema } from '#platform/money';

/** Streams are `order:<id>`, versions the order's own. Names, addresses and mail never travel in events. */
const orderRef = { orderId: z.uuid(), userId: z.uuid(), number: z.string() };

export const orderPaid = defineEvent('order.paid.v1', z.object(orderRef));

export const orderShipped = defineEvent(
  'order.shipped.v1',
  z.object({ ...orderRef, trackingNumber: z.string(), carrier: z.string().nullable() }),
);

/** A cancelled order's money went back. */
export const orderRefunded = defineEvent('order.refunded.v1', z.object({ ...orderRef, amount: moneySchema }));
