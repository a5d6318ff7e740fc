import { noteIds } from '#platform/context';
import type { IdempotencyClaim } from '#platform/http/idempotency';
import type { Answer } from '#platform/http/route';
import type { SagaDefinition } from '#platform/saga/saga';
import { awaitOutcome } from './await-outcome.ts';
import { createOrder } from './change-order.ts';
import type { OrderContext } from './order-context.ts';
import { type CardToken, keepAddress, keepToken } from './personal-store.ts';
import type { PlaceData } from './place-saga.ts';
import type { Patience } from './prefer.ts';
import { withAddress } from './present-answer.ts';
import { addUpLines, priceLines, type WantedLine } from './price-lines.ts';
import { nextNumber } from './store.ts';

export interface PlaceOrder {
  readonly userId: string;
  readonly items: readonly WantedLine[];
  readonly currency: string;
  readonly payment: CardToken | undefined;
  readonly shippingAddress: Readonly<Record<string, string>> | undefined;
  readonly claim: IdempotencyClaim | undefined;
  readonly patience: Patience;
}

/**
 * Places an order and answers with its outcome, or with 202 when that takes longer than the client waits. Safe to
 * repeat under the same key: a repeat replays the outcome, or drives the same order to it.
 *
 * Fails with `unknown_sku` and `no_price` (unprocessable, nothing is written), with what the saga was refused
 * (`insufficient_stock`, `payment_declined`), and with `order_abandoned` (unavailable).
 */
export async function placeOrder(
  context: OrderContext,
  saga: SagaDefinition<PlaceData>,
  order: PlaceOrder,
): Promise<Answer> {
  const { idempotency } = context;
  const { claim, patience } = order;
  const remembered = await idempotency.find(claim);
  if (remembered?.state === 'answered') return await withAddress(context.database, remembered.answer);
  const orderId = remembered?.resourceId ?? (await begin(context, saga, order));
  noteIds({ orderId });
  const pending = { sagaId: orderId, orderId, repeat: remembered !== undefined };
  return await awaitOutcome(context, claim, pending, patience);
}

/** The first transaction: from it on the order exists, its saga will end, and the key leads to it. */
async function begin(
  context: OrderContext,
  saga: SagaDefinition<PlaceData>,
  order: PlaceOrder,
): Promise<string> {
  const { database, idempotency, needs, sagas } = context;
  const { userId, currency, payment, shippingAddress, claim } = order;
  const lines = addUpLines(order.items);
  const quote = await needs.product.quote({ skus: lines.map((line) => line.sku), currency });
  const { items, total } = priceLines(lines, quote.lines, currency);
  const orderId = context.newId();
  // Nothing is charged for an order that costs nothing, whatever card came with it.
  const card = total.amount > 0 ? payment : undefined;
  const paymentId = card ? context.newId() : null;
  await database.transaction(async (tx) => {
    await idempotency.claim(tx, claim, orderId);
    const number = await nextNumber(tx);
    await createOrder(tx, orderId, { do: 'create', number, userId, currency, items, total });
    if (shippingAddress) await keepAddress(tx, orderId, userId, shippingAddress);
    if (card && paymentId) await keepToken(tx, paymentId, card);
    const data: PlaceData = { orderId, userId, total, paymentId, lines, claim };
    await sagas.start(tx, saga, { id: orderId, subject: orderId, data });
  });
  return orderId;
}
