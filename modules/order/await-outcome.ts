import { AppError } from '#platform/errors';
import type { Idempotency, IdempotencyClaim } from '#platform/http/idempotency';
import type { Answer } from '#platform/http/route';
import type { OrderContext } from './order-context.ts';
import type { Address } from './personal-store.ts';
import type { Patience } from './prefer.ts';
import { openAnswer, withAddress } from './present-answer.ts';

/** The saga that an answer depends on. */
export interface Pending {
  readonly sagaId: string;
  readonly orderId: string;
  /** A repeat waits for what comes by webhook too; a first request hands the waiting back to the client. */
  readonly repeat: boolean;
  /** The order's address where it is known, as it was just written. */
  readonly address?: Address | null;
}

/**
 * Drives the saga for as long as the client waits and gives the answer that its end stored under the key: so the
 * first request, a repeat that took over, and every replay read the same. Still under way: 202 with the order. An
 * end that is not final freed the key: `order_abandoned` (unavailable), and the client may ask anew.
 */
export async function awaitOutcome(
  context: OrderContext,
  claim: IdempotencyClaim | undefined,
  pending: Pending,
  patience: Patience,
): Promise<Answer> {
  const { sagas, idempotency, database } = context;
  const { sagaId, orderId } = pending;
  if (patience.waitMs === 0 && !pending.repeat) {
    // Who does not wait is told of the order as it was begun, even where its end is only a moment away.
    const begun = await openAnswer(database, orderId);
    await sagas.settle(sagaId, 0);
    return begun;
  }
  const untilWaiting = !patience.named && !pending.repeat;
  const outcome = await sagas.settle(sagaId, patience.waitMs, { untilWaiting });
  if (outcome.state === 'open' || outcome.state === 'waiting') return await openAnswer(database, orderId);
  // Who drove it to its end here is told what was stored; otherwise somebody else has.
  const answer = (outcome.told as Answer | undefined) ?? (await storedAnswer(idempotency, claim));
  if (answer) return await withAddress(database, answer, pending.address);
  throw new AppError(
    'unavailable',
    'order_abandoned',
    'the outcome stayed unknown, the order was cancelled',
    {
      extra: { orderId },
      retryAfterSeconds: 1,
    },
  );
}

/** Whoever saw the saga end is the first to be answered, though the answer was stored before it was given. */
async function storedAnswer(
  idempotency: Idempotency,
  claim: IdempotencyClaim | undefined,
): Promise<Answer | undefined> {
  const remembered = await idempotency.find(claim);
  if (remembered?.state !== 'answered') return undefined;
  const { 'idempotency-replayed': _, ...headers } = remembered.answer.headers ?? {};
  return { ...remembered.answer, headers };
}
