import { createBatch } from '#platform/batch';
import { noteIds } from '#platform/context';
import { type IdempotencyClaim, keyInFlight } from '#platform/http/idempotency';
import type { Answer } from '#platform/http/route';
import type { SagaDefinition } from '#platform/saga/saga';
import { awaitOutcome } from './await-outcome.ts';
import { createOrder } from './change-order.ts';
import { BATCH } from './limits.ts';
import type { OrderContext } from './order-context.ts';
import { type Address, type CardToken, keepAddress, keepToken } from './personal-store.ts';
import type { PlaceData } from './place-saga.ts';
import type { Patience } from './prefer.ts';
import { withAddress } from './present-answer.ts';
import { addUpLines, priceLines, type WantedLine } from './price-lines.ts';
import { nextNumbers } from './store.ts';

export interface PlaceOrder {
  readonly userId: string;
  readonly items: readonly WantedLine[];
  readonly currency: string;
  readonly payment: CardToken | undefined;
  readonly shippingAddress: Readonly<Record<string, string>> | undefined;
  readonly claim: IdempotencyClaim | undefined;
  readonly patience: Patience;
}

/** What orders are placed with. */
export interface Placing {
  readonly saga: SagaDefinition<PlaceData>;
  /** The next order number. */
  readonly nextNumber: () => Promise<string>;
}

export function createPlacing(context: OrderContext, saga: SagaDefinition<PlaceData>): Placing {
  const takeNumber = createBatch<undefined, string>({
    max: BATCH,
    run: (asked) => nextNumbers(context.database, asked.length),
  });
  return { saga, nextNumber: () => takeNumber(undefined) };
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
  placing: Placing,
  order: PlaceOrder,
): Promise<Answer> {
  const { claim, patience } = order;
  const begun = await begin(context, placing, order).catch((error: unknown) => resume(context, claim, error));
  if ('answer' in begun) return await withAddress(context.database, begun.answer);
  const { orderId } = begun;
  noteIds({ orderId });
  return await awaitOutcome(context, claim, { sagaId: orderId, ...begun }, patience);
}

interface Begun {
  readonly orderId: string;
  readonly repeat: boolean;
  readonly address?: Address | null;
}

/**
 * What the key leads to when no order could be begun under it: whatever else went wrong counts only for a first
 * request.
 */
async function resume(
  { idempotency }: OrderContext,
  claim: IdempotencyClaim | undefined,
  error: unknown,
): Promise<Begun | { readonly answer: Answer }> {
  const remembered = await idempotency.find(claim);
  if (remembered === undefined) throw error;
  if (remembered.state === 'answered') return remembered;
  return { orderId: remembered.resourceId, repeat: true };
}

/** Rejects when the key leads to an order: a repeat waits for nothing that only a first request needs. */
async function refuseKnown(
  { idempotency }: OrderContext,
  claim: IdempotencyClaim | undefined,
): Promise<void> {
  if ((await idempotency.find(claim)) !== undefined) throw keyInFlight();
}

/** The first transaction: from it on the order exists, its saga will end, and the key leads to it. */
async function begin(
  context: OrderContext,
  { saga, nextNumber }: Placing,
  order: PlaceOrder,
): Promise<Begun> {
  const { database, idempotency, needs, sagas } = context;
  const { userId, currency, payment, shippingAddress, claim } = order;
  const lines = addUpLines(order.items);
  const [quote, number] = await Promise.all([
    needs.product.quote({ skus: lines.map((line) => line.sku), currency }),
    nextNumber(),
    refuseKnown(context, claim),
  ]);
  const { items, total } = priceLines(lines, quote.lines, currency);
  const orderId = context.newId();
  // Nothing is charged for an order that costs nothing, whatever card came with it.
  const card = total.amount > 0 ? payment : undefined;
  const paymentId = card ? context.newId() : null;
  const data: PlaceData = { orderId, userId, total, paymentId, lines, claim };
  // All sent at once, the key first: one that is taken rolls the rest back.
  const [, , , address] = await database.sharedTransaction((tx) =>
    Promise.all([
      idempotency.claim(tx, claim, orderId),
      createOrder(tx, orderId, { do: 'create', number, userId, currency, items, total }),
      sagas.start(tx, saga, { id: orderId, subject: orderId, data }),
      shippingAddress ? keepAddress(tx, orderId, userId, shippingAddress) : null,
      card && paymentId ? keepToken(tx, paymentId, card) : undefined,
    ]),
  );
  return { orderId, repeat: false, address };
}
