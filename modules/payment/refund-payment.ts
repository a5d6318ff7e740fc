import { invariant } from '#platform/errors';
import { type IdempotencyClaim, replayed } from '#platform/http/idempotency';
import type { Answer } from '#platform/http/route';
import { type Money, money } from '#platform/money';
import type { PaymentContext } from './context.ts';
import { driveRefund } from './drive-refund.ts';
import { type RefundRow, refundRefusal } from './payment.ts';
import { paymentNotFound } from './read-payment.ts';
import { reserveRefunds } from './refund-store.ts';
import { lockPayment } from './store.ts';

export interface RefundRequest {
  readonly paymentId: string;
  readonly amount: Money;
  readonly reason: string;
  readonly claim: IdempotencyClaim | undefined;
}

/**
 * Gives part of a captured payment back. The first transaction takes the idempotency key in the refund's name and
 * reserves the amount; then the provider is asked with the refund's id as its key; then outcome and answer are
 * stored together. A repeat after a crash finds the refund by the key and goes on. Fails with `not_found`, with
 * what `refundRefusal` says, and with `unavailable` while the provider can not be reached: then the sweeper goes
 * on with it, and a repeat with the same key tells when the money has gone back.
 */
export async function refundPayment(context: PaymentContext, request: RefundRequest): Promise<Answer> {
  const remembered = await context.idempotency.find(request.claim);
  if (remembered?.state === 'answered') return replayed(remembered.answer);
  const id = remembered?.resourceId ?? (await beginRefund(context, request));
  return await finishRefund(context, id, request.claim);
}

async function beginRefund(context: PaymentContext, request: RefundRequest): Promise<string> {
  const { paymentId, amount, reason, claim } = request;
  const id = context.newId();
  await context.database.transaction(async (tx) => {
    await context.idempotency.claim(tx, claim, id);
    const payment = await lockPayment(tx, paymentId);
    if (!payment || payment.status === 'pending') throw paymentNotFound(paymentId);
    const refused = refundRefusal(payment, amount);
    if (refused) throw refused;
    const refund = { id, paymentId, amount: amount.amount, cause: 'requested' as const, reason };
    const reserved = await reserveRefunds(tx, [refund]);
    invariant(reserved.length === 1, `payment ${paymentId} has ${amount.amount} left while it is locked`);
  });
  return id;
}

async function finishRefund(
  context: PaymentContext,
  id: string,
  claim: IdempotencyClaim | undefined,
): Promise<Answer> {
  const refund = await driveRefund(context, id, (tx, driven) =>
    context.idempotency.complete(tx, claim, refundAnswer(driven)),
  );
  return refundAnswer(refund);
}

/** The same whenever it is built, so that a repeat gets the very answer that the first request got. */
function refundAnswer({ id, paymentId, amount, currency, reason, createdAt }: RefundRow): Answer {
  return { status: 201, body: { id, paymentId, amount: money(amount, currency), reason, createdAt } };
}
