import { AppError, invariant, isAppError } from '#platform/errors';
import type { IdempotencyClaim } from '#platform/http/idempotency';
import { ABANDONED, type SagaDefinition, type SagaStep, stepDone } from '#platform/saga/saga';
import { changeOrder } from './change-order.ts';
import { CANCELLED, type ChargeData, createChargeStep, DECLINED, WINDOW_CLOSED } from './charge-step.ts';
import { UNPAID_GRACE_MS, UNPAID_WINDOW_MS } from './limits.ts';
import type { OrderContext } from './order-context.ts';
import { storableAnswer } from './order-resource.ts';
import { dropToken } from './personal-store.ts';
import { refusal } from './refusal.ts';
import { cancelOnTurn, recordRefund } from './saga-ends.ts';

export interface PayData extends ChargeData {
  readonly paymentId: string;
  readonly claim: IdempotencyClaim | undefined;
}

/**
 * Pays an order that awaits payment. The reservation is pinned before the charge, so that stock never expires
 * under a charge. A declined charge leaves the order as it was, to be tried with another card; anything unknown
 * ends the order, because a second payment could be taken beside the first.
 */
export function createPaySaga(context: OrderContext): SagaDefinition<PayData> {
  const { outbox, idempotency } = context;
  return {
    name: 'pay-order',
    steps: [createPinStep(context), createChargeStep(context)],
    async complete(tx, { orderId, paymentId, claim }) {
      const [row] = await Promise.all([
        changeOrder(tx, outbox, orderId, { do: 'pay', paymentId }),
        dropToken(tx, paymentId),
      ]);
      invariant(row, `order ${orderId} awaited payment until its saga ended`);
      const answer = storableAnswer(200, row);
      await idempotency.complete(tx, claim, answer);
      return answer;
    },
    async turn(tx, { orderId }, reason) {
      await cancelOnTurn(context, tx, orderId, reason);
    },
    async compensated(tx, data, reason) {
      const { orderId, claim } = data;
      if (reason.code !== DECLINED) {
        const why = reason.code === WINDOW_CLOSED ? WINDOW_CLOSED : ABANDONED;
        // For a person's cancellation, written when the saga turned back, this changes nothing.
        await changeOrder(tx, outbox, orderId, { do: 'cancel', reason: why, by: 'shop' });
        await recordRefund(context, tx, orderId, data.refunded);
      }
      await dropToken(tx, data.paymentId);
      const refused = refusalOf(orderId, reason.code);
      if (refused === undefined) return await idempotency.release(tx, claim);
      const answer = refusal(refused, `/orders/${orderId}/payment`);
      await idempotency.complete(tx, claim, answer);
      return answer;
    },
  };
}

function createPinStep({ needs }: OrderContext): SagaStep<PayData> {
  return {
    name: 'pin',
    async run({ orderId, paymentId }) {
      try {
        await needs.product.pin({ orderId, by: paymentId });
        return stepDone;
      } catch (error) {
        if (!isAppError(error, 'reservation_closed')) throw error;
        return { state: 'failed', reason: { code: WINDOW_CLOSED } };
      }
    },
    async undo({ orderId, paymentId }, reason) {
      const expiresInMs = UNPAID_WINDOW_MS + UNPAID_GRACE_MS;
      if (reason.code === DECLINED) await needs.product.unpin({ orderId, by: paymentId, expiresInMs });
      else await needs.product.release({ orderId });
    },
  };
}

/** The refusal that the client gets; undefined when the outcome is not final. */
function refusalOf(orderId: string, code: string): AppError | undefined {
  const options = { extra: { orderId } };
  switch (code) {
    case DECLINED:
      return new AppError('declined', DECLINED, 'the payment was declined', options);
    case WINDOW_CLOSED:
      return new AppError(
        'conflict',
        'invalid_transition',
        'the time to pay this order has run out',
        options,
      );
    case CANCELLED:
      return new AppError('conflict', 'invalid_transition', 'the order was cancelled meanwhile', options);
    default:
      return undefined;
  }
}
