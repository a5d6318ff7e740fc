import { type IdempotencyClaim, requireFresh } from '#platform/http/idempotency';
import type { Answer } from '#platform/http/route';
import type { SagaDefinition } from '#platform/saga/saga';
import { awaitOutcome } from './await-outcome.ts';
import { lockState, orderNotFound } from './change-order.ts';
import { orderBusy, whenFree } from './give-way.ts';
import { decide } from './order.ts';
import type { OrderContext } from './order-context.ts';
import { storableAnswer } from './order-resource.ts';
import type { PayData } from './pay-saga.ts';
import { type CardToken, keepToken } from './personal-store.ts';
import type { Patience } from './prefer.ts';
import { withAddress } from './present-answer.ts';
import { findOrder } from './store.ts';

export interface PayOrder {
  readonly orderId: string;
  readonly userId: string;
  readonly card: CardToken;
  readonly claim: IdempotencyClaim | undefined;
  readonly ifMatch: readonly string[] | undefined;
  readonly patience: Patience;
}

/**
 * Pays an order that awaits payment; for one that is paid nothing changes and nothing is charged. Safe to repeat
 * under the same key. Fails with `payment_declined` (declined: the order still awaits payment),
 * `invalid_transition` (conflict), `order_abandoned` and `order_busy` (both unavailable).
 */
export async function payOrder(
  context: OrderContext,
  saga: SagaDefinition<PayData>,
  request: PayOrder,
): Promise<Answer> {
  const { claim, orderId, patience } = request;
  const remembered = await context.idempotency.find(claim);
  if (remembered?.state === 'answered') return await withAddress(context.database, remembered.answer);
  const sagaId =
    remembered?.resourceId ?? (await whenFree(context, orderId, () => begin(context, saga, request)));
  if (sagaId === undefined) return await answerPaid(context, request);
  return await awaitOutcome(context, claim, { sagaId, orderId, repeat: remembered !== undefined }, patience);
}

/** Starts the saga; undefined when the order is paid already. */
async function begin(
  context: OrderContext,
  saga: SagaDefinition<PayData>,
  request: PayOrder,
): Promise<string | undefined> {
  const { database, idempotency, sagas } = context;
  const { orderId, userId, card, claim, ifMatch } = request;
  const sagaId = context.newId();
  const paymentId = context.newId();
  return await database.transaction(async (tx) => {
    const state = await lockState(tx, orderId);
    if (state.userId !== userId) throw orderNotFound();
    requireFresh(ifMatch, state.version);
    const events = decide(state, { do: 'pay', paymentId });
    if (events.length === 0) return undefined;
    // It is being placed: it may be paid by its own saga, or await payment once that has ended.
    if (state.status === 'pending') throw orderBusy();
    await idempotency.claim(tx, claim, sagaId);
    await keepToken(tx, paymentId, card);
    const data: PayData = { orderId, userId, total: state.total, paymentId, claim };
    await sagas.start(tx, saga, { id: sagaId, subject: orderId, data });
    return sagaId;
  });
}

/** Repeating a payment that was made changes nothing, and neither does another card. */
async function answerPaid(context: OrderContext, { orderId, claim }: PayOrder): Promise<Answer> {
  const answer = await context.idempotency.once(claim, async (tx) => {
    const row = await findOrder(tx, orderId);
    if (!row) throw orderNotFound();
    return storableAnswer(200, row);
  });
  return await withAddress(context.database, answer);
}
