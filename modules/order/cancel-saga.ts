import type { Money } from '#platform/money';
import { type SagaDefinition, stepDone } from '#platform/saga/saga';
import { CANCELLED } from './charge-step.ts';
import type { OrderContext } from './order-context.ts';
import { recordRefund } from './saga-ends.ts';

export interface CancelData {
  readonly orderId: string;
  /** What went back to the customer; set by the last undo for the ending transaction. */
  refunded?: Money | null;
}

/**
 * Gives back the money and the stock of an order that was cancelled. Going forward has a deadline and undoing has
 * none, and a cancelled order must be undone however long payment or product are away: so this saga does nothing
 * forward, turns back at its last step, and does its work as compensation.
 */
export function createCancelSaga(context: OrderContext): SagaDefinition<CancelData> {
  const { needs } = context;
  return {
    name: 'cancel-order',
    steps: [
      {
        name: 'release',
        run: async () => stepDone,
        async undo({ orderId }) {
          await needs.product.release({ orderId });
        },
      },
      {
        name: 'reverse',
        run: async () => stepDone,
        async undo(data) {
          const { refunded } = await needs.payment.reverse({ orderId: data.orderId });
          data.refunded = refunded;
        },
      },
      { name: 'turn', run: async () => ({ state: 'failed', reason: { code: CANCELLED } }) },
    ],
    async complete() {
      throw new Error('a cancellation never ends forward');
    },
    async compensated(tx, { orderId, refunded }) {
      await recordRefund(context, tx, orderId, refunded);
    },
  };
}
