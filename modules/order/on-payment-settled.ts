import type { paymentSettled } from '#modules/payment/events';
import type { DataOf } from '#platform/events/event';
import type { EventHandler } from '#platform/events/inbox';
import type { OrderContext } from './order-context.ts';

/** A charge has its outcome at last: the saga that waits for it asks again, and is told. */
export function createOnPaymentSettled(context: OrderContext): EventHandler<DataOf<typeof paymentSettled>> {
  return async (event, once) => {
    await once((tx) => context.sagas.wake(tx, event.data.orderId));
  };
}
