import { type IdempotencyClaim, requireFresh } from '#platform/http/idempotency';
import { type Answer, hasRole, type Principal } from '#platform/http/route';
import type { SagaDefinition } from '#platform/saga/saga';
import type { CancelData } from './cancel-saga.ts';
import { changeOrder, orderNotFound } from './change-order.ts';
import { CANCELLED } from './charge-step.ts';
import { whenFree } from './give-way.ts';
import { DEFAULT_WAIT_MS } from './limits.ts';
import type { OrderContext } from './order-context.ts';
import { storableAnswer } from './order-resource.ts';
import { withAddress } from './present-answer.ts';
import type { CancelReason } from './saga-ends.ts';
import { findOrder } from './store.ts';

export interface CancelOrder {
  readonly orderId: string;
  readonly principal: Principal;
  readonly reason: string;
  readonly claim: IdempotencyClaim | undefined;
  readonly ifMatch: readonly string[] | undefined;
}

/**
 * Cancels an order: the decision is one transaction, and its saga then gives back money and stock; the answer
 * waits a while for that and does not depend on it. An order that is still being placed or paid is turned back
 * instead, whoever drives its saga. Cancelling twice changes nothing. Fails with `invalid_transition` (conflict)
 * and `order_busy` (unavailable).
 */
export async function cancelOrder(
  context: OrderContext,
  saga: SagaDefinition<CancelData>,
  request: CancelOrder,
): Promise<Answer> {
  const { database, idempotency, outbox, sagas } = context;
  const { orderId, principal, reason, claim, ifMatch } = request;
  const staff = hasRole(principal.role, 'staff');
  const by = staff ? 'staff' : 'customer';
  let sagaId: string | undefined;
  /** Once this request has turned a saga back, the order has changed by our own hand. */
  let turned = false;

  async function decideAndStart(): Promise<Answer> {
    return await idempotency.once(claim, async (tx) => {
      const changed = await changeOrder(tx, outbox, orderId, { do: 'cancel', reason, by }, (state) => {
        if (!staff && state.userId !== principal.userId) throw orderNotFound();
        if (!turned) requireFresh(ifMatch, state.version);
      });
      if (changed) {
        const id = context.newId();
        await sagas.start(tx, saga, { id, subject: orderId, data: { orderId } });
        tx.onCommit(() => {
          sagaId = id;
        });
      }
      const row = changed ?? (await findOrder(tx, orderId));
      if (!row) throw orderNotFound();
      return storableAnswer(200, row);
    });
  }

  const answer = await whenFree(context, orderId, decideAndStart, async () => {
    const why: CancelReason = { code: CANCELLED, reason, by };
    if ((await sagas.turnBack(orderId, why)) !== undefined) turned = true;
  });
  if (sagaId !== undefined) await sagas.settle(sagaId, DEFAULT_WAIT_MS);
  return await withAddress(database, answer);
}
