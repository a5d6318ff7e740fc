import { AppError, invariant } from '#platform/errors';
import { failpoint } from '#platform/failpoint';
import type { Money } from '#platform/money';
import { chargeAtProvider } from './charge-at-provider.ts';
import type { PaymentContext } from './context.ts';
import { isFinal, type PaymentRow } from './payment.ts';
import { settlePayment, takeBack } from './settle-payment.ts';
import { findPayment, findReversal, insertIntent } from './store.ts';

export interface ChargeInput {
  readonly paymentId: string;
  readonly orderId: string;
  readonly userId: string;
  readonly amount: Money;
  readonly token: string;
}

export interface ChargeAnswer {
  readonly state: 'captured' | 'authorized' | 'declined';
  readonly reason: string | null;
}

/**
 * The contract's `charge`. The intent is committed before the provider is called and the outcome after it, so a
 * crash in between leaves a row that says "ask": the repeat, or the sweeper, asks by key and takes nothing twice.
 * Calls with one id may run side by side, since the provider charges once per key and an outcome is recorded once.
 */
export async function chargeOrder(context: PaymentContext, input: ChargeInput): Promise<ChargeAnswer> {
  const { database, provider, log } = context;
  const { paymentId, orderId, userId, token } = input;
  const { amount, currency } = input.amount;
  const intent = { id: paymentId, orderId, userId, provider: provider.name, amount, currency };
  const fresh = (await database.sharedTransaction((tx) => insertIntent(tx, intent))) !== undefined;
  if (!fresh) {
    const known = await findKnown(context, input);
    if (known) return known;
  }
  const request = { key: paymentId, amount, currency, token };
  const outcome = await chargeAtProvider(provider, request, { resumed: !fresh, log });
  failpoint('after-charge');
  const { payment, reversed } = await settlePayment(context, paymentId, outcome, { tell: false });
  if (!reversed) return answerOf(payment);
  if (!isFinal(payment.status)) {
    await takeBack(context, paymentId).catch((error: unknown) => {
      log.warn({ err: error, paymentId }, 'charge of a reversed order not taken back yet, the sweeper will');
    });
  }
  throw orderReversed(orderId);
}

/** The answer that is known already; undefined while the provider has to be asked. */
async function findKnown(context: PaymentContext, input: ChargeInput): Promise<ChargeAnswer | undefined> {
  const { database } = context;
  if (await findReversal(database, input.orderId)) throw orderReversed(input.orderId);
  const payment = await findPayment(database, input.paymentId);
  invariant(payment, `payment ${input.paymentId} exists, or its order is reversed`);
  const same =
    payment.orderId === input.orderId &&
    payment.amount === input.amount.amount &&
    payment.currency === input.amount.currency;
  invariant(same, `payment ${input.paymentId} is asked for one order and one amount`);
  return payment.status === 'pending' ? undefined : answerOf(payment);
}

function answerOf(payment: PaymentRow): ChargeAnswer {
  switch (payment.status) {
    case 'captured':
    case 'authorized':
      return { state: payment.status, reason: null };
    case 'failed':
      return { state: 'declined', reason: payment.reason };
    case 'voided':
      return { state: 'declined', reason: 'voided' };
    case 'pending':
      throw new Error('invariant broken: a settled payment has an outcome');
  }
}

function orderReversed(orderId: string): AppError {
  return new AppError('conflict', 'order_reversed', `order ${orderId} was given up before this charge`);
}
