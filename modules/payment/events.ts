import { z } from 'zod';
import { defineEvent } from '#platform/events/event';
import { moneySchema } from '#platform/money';

/** Streams are `payment:<id>`. */

/** The outcome of a charge that its caller was not told: it came by webhook, or by asking the provider later. */
export const paymentSettled = defineEvent(
  'payment.settled.v1',
  z.object({ paymentId: z.uuid(), orderId: z.uuid(), state: z.enum(['captured', 'failed']) }),
);

/** Money that arrived after its order was reversed went back by itself. */
export const lateCaptureRefunded = defineEvent(
  'payment.late_capture_refunded.v1',
  z.object({ paymentId: z.uuid(), orderId: z.uuid(), amount: moneySchema }),
);
