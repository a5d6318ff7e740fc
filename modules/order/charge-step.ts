import { createBatch } from '#platform/batch';
import { AppError, isAppError } from '#platform/errors';
import type { Money } from '#platform/money';
import { type SagaStep, stepDone } from '#platform/saga/saga';
import { BATCH } from './limits.ts';
import type { OrderContext } from './order-context.ts';
import { type CardToken, findTokens } from './personal-store.ts';

/** Why an order's saga turned back, besides what product and payment answer by their own codes. */
export const DECLINED = 'payment_declined';
export const CANCELLED = 'order_cancelled';
export const WINDOW_CLOSED = 'payment_window_closed';

export interface ChargeData {
  readonly orderId: string;
  readonly userId: string;
  readonly total: Money;
  /** Made when the saga starts, so that every try is the same charge; null when there is nothing to charge now. */
  readonly paymentId: string | null;
  /** What an undone charge gave back; set by the undo for the ending transaction, which runs after it. */
  refunded?: Money | null;
}

/** Takes the order's money, once however often it is run; undone, gives back whatever was taken or still comes. */
export function createChargeStep(context: OrderContext): SagaStep<ChargeData> {
  const { database, needs } = context;
  const findToken = createBatch<string, CardToken | undefined>({
    max: BATCH,
    async run(paymentIds) {
      const tokens = await findTokens(database, paymentIds);
      return paymentIds.map((paymentId) => tokens.get(paymentId));
    },
  });
  return {
    name: 'charge',
    async run({ orderId, userId, total, paymentId }) {
      if (paymentId === null) return stepDone;
      const card = await findToken(paymentId);
      // The token goes with the saga: another driver has ended it, and this one's word counts no more.
      if (!card) throw new AppError('unavailable', 'saga_ended', 'another driver has ended this charge');
      try {
        const charge = await needs.payment.charge({ paymentId, orderId, userId, amount: total, ...card });
        if (charge.state === 'captured') return stepDone;
        if (charge.state === 'authorized') return { state: 'waiting' };
        return { state: 'failed', reason: { code: DECLINED, declined: charge.reason } };
      } catch (error) {
        if (isAppError(error, 'order_reversed')) return { state: 'failed', reason: { code: error.code } };
        throw error;
      }
    },
    async undo(data) {
      if (data.paymentId === null) return;
      const { refunded } = await needs.payment.reverse({ orderId: data.orderId });
      data.refunded = refunded;
    },
  };
}
