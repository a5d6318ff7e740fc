import { type IdempotencyClaim, requireFresh } from '#platform/http/idempotency';
import type { Answer } from '#platform/http/route';
import { changeOrder, orderNotFound } from './change-order.ts';
import type { OrderCommand } from './order.ts';
import type { OrderContext } from './order-context.ts';
import { storableAnswer } from './order-resource.ts';
import { withAddress } from './present-answer.ts';
import { findOrder } from './store.ts';

export interface MoveOrder {
  readonly orderId: string;
  readonly command: Extract<OrderCommand, { do: 'ship' | 'deliver' }>;
  readonly claim: IdempotencyClaim | undefined;
  readonly ifMatch: readonly string[] | undefined;
}

/**
 * Tells that a paid order has left, or that it has arrived. Telling it twice changes nothing. Fails with
 * `invalid_transition` (conflict).
 */
export async function moveOrder(context: OrderContext, request: MoveOrder): Promise<Answer> {
  const { database, idempotency, outbox } = context;
  const { orderId, command, claim, ifMatch } = request;
  const answer = await idempotency.once(claim, async (tx) => {
    const changed = await changeOrder(tx, outbox, orderId, command, (state) =>
      requireFresh(ifMatch, state.version),
    );
    const row = changed ?? (await findOrder(tx, orderId));
    if (!row) throw orderNotFound();
    return storableAnswer(200, row);
  });
  return await withAddress(database, answer);
}
