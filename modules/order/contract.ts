import { z } from 'zod';
import { moneySchema } from '#platform/money';
import { command, defineContract, query } from '#platform/rpc/contract';

export const orderItemSchema = z
  .object({
    sku: z.string(),
    name: z.string(),
    quantity: z.int(),
    unitPrice: moneySchema,
    lineTotal: moneySchema,
  })
  .meta({ id: 'OrderItem' });

export const orderContract = defineContract('order', {
  needs: ['user', 'product', 'payment'],
  consumes: ['payment.settled.v1', 'payment.late_capture_refunded.v1', 'user.erased.v1'],
  calls: {
    /** What a confirmation shows of each of these orders, in any order; unknown ones are left out. */
    receipts: query({
      input: z.object({ orderIds: z.array(z.uuid()).max(100) }),
      output: z.object({
        receipts: z.array(
          z.object({
            orderId: z.uuid(),
            number: z.string(),
            userId: z.uuid(),
            items: z.array(orderItemSchema),
            total: moneySchema,
          }),
        ),
      }),
      errors: [],
    }),
    /**
     * Writes the read model of the next orders after the id `after` (null: from the first) anew from their events,
     * and tells how many and the last one's id, null when none was left. Safe on a running shop, and to repeat.
     */
    rebuild: command({
      key: 'after',
      input: z.object({ after: z.uuid().nullable() }),
      output: z.object({ count: z.int(), last: z.uuid().nullable() }),
      errors: [],
    }),
  },
});
