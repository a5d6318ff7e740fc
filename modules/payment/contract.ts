import { z } from 'zod';
import { amountSchema, currencySchema, moneySchema } from '#platform/money';
import { command, defineContract, query } from '#platform/rpc/contract';

export const paymentMethodSchema = z.strictObject({
  method: z.literal('card'),
  /** What the provider's own form gave the client; never a card number. */
  token: z.string().min(1).max(255),
});

export const paymentSchema = z
  .object({
    id: z.uuid(),
    orderId: z.uuid(),
    status: z.enum(['authorized', 'captured', 'partially_refunded', 'refunded', 'failed', 'voided']),
    amount: moneySchema,
    refunded: moneySchema,
    provider: z.string(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Payment' });

export type Payment = z.output<typeof paymentSchema>;

export const paymentContract = defineContract('payment', {
  calls: {
    /**
     * Charges once per `paymentId`, however often it is asked. The intent is written before the provider is
     * called. `captured` and `declined` are final; `authorized` means that the provider will tell by webhook, and
     * `payment.settled.v1` follows. Ends `unavailable` while the outcome is unknown: ask again with the same id,
     * or reverse the order. A charge that never reached the provider is given up after ten minutes, and from then
     * on declined as `voided`. `order_reversed` (conflict): the order's payments were reversed, before or while
     * this was charged, and whatever it took goes back by itself.
     */
    charge: command({
      key: 'paymentId',
      input: z.object({
        paymentId: z.uuid(),
        orderId: z.uuid(),
        userId: z.uuid(),
        amount: moneySchema,
        ...paymentMethodSchema.shape,
      }),
      output: z.object({
        state: z.enum(['captured', 'authorized', 'declined']),
        /** The provider's reason for a refusal. */
        reason: z.string().nullable(),
      }),
      errors: ['order_reversed'],
    }),
    /**
     * Gives back all money of an order, once: captures are refunded by what is left of them, authorizations
     * voided, and charges whose outcome is unknown are taken back as soon as it is known (`pending`); then
     * `payment.late_capture_refunded.v1` tells. Later charges of the order are refused. `refunded` is the sum
     * that this order's reversal gave back, the same on every repeat; null when there was nothing.
     */
    reverse: command({
      key: 'orderId',
      input: z.object({ orderId: z.uuid() }),
      output: z.object({ refunded: moneySchema.nullable(), pending: z.boolean() }),
      errors: [],
    }),
    /** All payments of these orders that have an outcome, oldest first; unknown orders have none. */
    payments: query({
      input: z.object({ orderIds: z.array(z.uuid()).max(500) }),
      output: z.object({ payments: z.array(paymentSchema) }),
      errors: [],
    }),
    /**
     * What these orders' payments come to, in minor units, for reconciling orders with money; orders that were
     * never charged are left out. `captures` counts the payments that were captured, given back or not. `pending`:
     * a charge's outcome or a refund is still open, so the figures may yet change by themselves.
     */
    settlements: query({
      input: z.object({ orderIds: z.array(z.uuid()).max(500) }),
      output: z.object({
        settlements: z.array(
          z.object({
            orderId: z.uuid(),
            captures: z.int().min(0),
            captured: amountSchema,
            refunded: amountSchema,
            currency: currencySchema,
            pending: z.boolean(),
          }),
        ),
      }),
      errors: [],
    }),
  },
});
