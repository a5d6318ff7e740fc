import type { lateCaptureRefunded } from '#modules/payment/events';
import { AppError } from '#platform/errors';
import type { DataOf } from '#platform/events/event';
import type { EventHandler } from '#platform/events/inbox';
import { changeOrder } from './change-order.ts';
import type { OrderContext } from './order-context.ts';

/**
 * Money that came after its order was given up has gone back: the order remembers it, and its owner is told. A
 * saga that gives an order up cancels it only when all is undone; until then the event is delivered again.
 */
export function createOnLateCaptureRefunded(
  context: OrderContext,
): EventHandler<DataOf<typeof lateCaptureRefunded>> {
  return async (event, once) => {
    const { orderId, amount } = event.data;
    await once(async (tx) => {
      await changeOrder(tx, context.outbox, orderId, { do: 'refund', amount }, ({ status }) => {
        if (status === 'pending' || status === 'awaiting_payment') {
          throw new AppError(
            'unavailable',
            'order_not_cancelled_yet',
            'its saga is still giving the order up',
          );
        }
      });
    });
  };
}
