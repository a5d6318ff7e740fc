import type { Transaction } from '#platform/database/database';
import { AppError, invariant } from '#platform/errors';
import type { IdempotencyClaim } from '#platform/http/idempotency';
import {
  ABANDONED,
  type SagaDefinition,
  type SagaReason,
  type SagaStep,
  stepDone,
} from '#platform/saga/saga';
import { changeOrder } from './change-order.ts';
import { CANCELLED, type ChargeData, createChargeStep, DECLINED } from './charge-step.ts';
import { UNPAID_GRACE_MS, UNPAID_WINDOW_MS } from './limits.ts';
import type { Shortage } from './order.ts';
import type { OrderContext } from './order-context.ts';
import { storableAnswer } from './order-resource.ts';
import { dropToken } from './personal-store.ts';
import type { WantedLine } from './price-lines.ts';
import { refusal } from './refusal.ts';
import { cancelOnTurn, recordRefund } from './saga-ends.ts';

export interface PlaceData extends ChargeData {
  readonly lines: readonly WantedLine[];
  /** The request's key, under which the ending transaction stores the answer. */
  readonly claim: IdempotencyClaim | undefined;
}

/**
 * Places an order that was created: reserves all its stock, charges, and confirms. Its id is the order's id. The
 * ending transaction stores the answer of `POST /orders`, whoever drives the saga to its end.
 */
export function createPlaceSaga(context: OrderContext): SagaDefinition<PlaceData> {
  const { outbox, idempotency } = context;

  async function end(tx: Transaction, data: PlaceData): Promise<void> {
    if (data.paymentId !== null) await dropToken(tx, data.paymentId);
  }

  return {
    name: 'place-order',
    steps: [createReserveStep(context), createChargeStep(context)],
    async complete(tx, data) {
      const { orderId, paymentId } = data;
      const command = isPaidNow(data)
        ? ({ do: 'pay', paymentId } as const)
        : ({ do: 'await_payment' } as const);
      const [row] = await Promise.all([changeOrder(tx, outbox, orderId, command), end(tx, data)]);
      invariant(row, `order ${orderId} was pending until its saga ended`);
      const answer = storableAnswer(201, row);
      await idempotency.complete(tx, data.claim, answer);
      return answer;
    },
    async turn(tx, { orderId }, reason) {
      await cancelOnTurn(context, tx, orderId, reason);
    },
    async compensated(tx, data, reason) {
      const { orderId, claim } = data;
      await changeOrder(tx, outbox, orderId, lastCommand(reason));
      await recordRefund(context, tx, orderId, data.refunded);
      await end(tx, data);
      const refused = refusalOf(orderId, reason);
      if (refused === undefined) return await idempotency.release(tx, claim);
      const answer = refusal(refused, '/orders');
      await idempotency.complete(tx, claim, answer);
      return answer;
    },
  };
}

/** An order is paid as it is placed when it comes with a payment, or costs nothing. */
function isPaidNow({ paymentId, total }: PlaceData): boolean {
  return paymentId !== null || total.amount === 0;
}

function createReserveStep({ needs }: OrderContext): SagaStep<PlaceData> {
  return {
    name: 'reserve',
    async run(data) {
      try {
        await needs.product.reserve({
          orderId: data.orderId,
          lines: [...data.lines],
          // Stock that a charge is under way for must not expire; unpaid stock must, even if this shop sleeps.
          pinned: isPaidNow(data),
          expiresInMs: UNPAID_WINDOW_MS + UNPAID_GRACE_MS,
        });
        return stepDone;
      } catch (error) {
        if (!(error instanceof AppError) || error.kind === 'unavailable') throw error;
        // Undone too: stock may come, and a late repeat of this must not reserve it for an order that has ended.
        return { state: 'failed', reason: { ...error.extra, code: error.code }, undo: true };
      }
    },
    async undo({ orderId }) {
      await needs.product.release({ orderId });
    },
  };
}

/** How an order ends whose saga ended with `reason`. */
function lastCommand(reason: SagaReason) {
  switch (reason.code) {
    case 'insufficient_stock':
      return { do: 'reject', reason: reason.code, items: reason.items as readonly Shortage[] } as const;
    case 'unknown_sku':
      return { do: 'reject', reason: reason.code, items: [] } as const;
    case DECLINED:
      return { do: 'cancel', reason: reason.code, by: 'shop' } as const;
    default:
      // For a person's cancellation, written when the saga turned back, this changes nothing.
      return { do: 'cancel', reason: ABANDONED, by: 'shop' } as const;
  }
}

/** The refusal that the client gets; undefined when the outcome is not final and the client may ask anew. */
function refusalOf(orderId: string, reason: SagaReason): AppError | undefined {
  switch (reason.code) {
    case 'insufficient_stock': {
      const extra = { orderId, items: reason.items };
      return new AppError('conflict', reason.code, 'there is not enough stock for this order', { extra });
    }
    case 'unknown_sku': {
      const extra = { orderId, skus: reason.skus };
      return new AppError('unprocessable', reason.code, 'some skus are not sold any more', { extra });
    }
    case DECLINED:
      return new AppError('declined', reason.code, 'the payment was declined', { extra: { orderId } });
    case CANCELLED:
      return new AppError('conflict', reason.code, 'the order was cancelled while it was being placed', {
        extra: { orderId },
      });
    default:
      return undefined;
  }
}
