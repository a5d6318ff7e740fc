import { AppError, invariant } from '#platform/errors';
import type { Money } from '#platform/money';

/**
 * The rules of an order, as an aggregate kept in events: `decide` says what a command comes to, `evolve` what an
 * event changes. Nothing here reads, writes, or knows the time.
 */

export const orderStatuses = [
  'pending',
  'awaiting_payment',
  'paid',
  'shipped',
  'delivered',
  'rejected',
  'cancelled',
] as const;

export type OrderStatus = (typeof orderStatuses)[number];

/** One line as it was sold: later changes of name or price do not reach it. */
export interface OrderItem {
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPrice: Money;
  readonly lineTotal: Money;
}

/** What stock could not give. */
export interface Shortage {
  readonly sku: string;
  readonly requested: number;
  readonly available: number;
}

/** On whose word an order was cancelled; `shop` when no person decided. */
export type CancelledBy = 'customer' | 'staff' | 'shop';

interface Created {
  readonly number: string;
  readonly userId: string;
  readonly currency: string;
  readonly items: readonly OrderItem[];
  readonly total: Money;
}

export type OrderEvent =
  | { readonly type: 'order.created'; readonly data: Created }
  | { readonly type: 'order.awaiting_payment'; readonly data: Record<string, never> }
  /** No payment: there was nothing to pay. */
  | { readonly type: 'order.paid'; readonly data: { readonly paymentId: string | null } }
  | {
      readonly type: 'order.rejected';
      readonly data: { readonly reason: string; readonly items: readonly Shortage[] };
    }
  | { readonly type: 'order.cancelled'; readonly data: { readonly reason: string; readonly by: CancelledBy } }
  | { readonly type: 'order.refunded'; readonly data: { readonly amount: Money } }
  | {
      readonly type: 'order.shipped';
      readonly data: { readonly trackingNumber: string; readonly carrier: string | null };
    }
  | { readonly type: 'order.delivered'; readonly data: Record<string, never> };

export type OrderCommand =
  | ({ readonly do: 'create' } & Created)
  | { readonly do: 'await_payment' }
  | { readonly do: 'pay'; readonly paymentId: string | null }
  | { readonly do: 'reject'; readonly reason: string; readonly items: readonly Shortage[] }
  | { readonly do: 'cancel'; readonly reason: string; readonly by: CancelledBy }
  /** Cancels what is still unpaid, and leaves alone what was paid meanwhile. */
  | { readonly do: 'expire'; readonly reason: string }
  /** Money of a cancelled order has gone back. */
  | { readonly do: 'refund'; readonly amount: Money }
  | { readonly do: 'ship'; readonly trackingNumber: string; readonly carrier: string | null }
  | { readonly do: 'deliver' };

/** Everything a decision looks at. The items are left to the log and the read model: no rule needs them. */
export interface OrderState {
  readonly number: string;
  readonly userId: string;
  readonly status: OrderStatus;
  readonly currency: string;
  readonly total: Money;
  readonly reason: string | null;
  readonly trackingNumber: string | null;
  readonly paymentId: string | null;
  /** The version of the newest event; the first is 1. */
  readonly version: number;
}

/**
 * The events that `command` causes; none when its state is already reached. Fails with `invalid_transition`
 * (conflict) when the order's state forbids it.
 */
export function decide(state: OrderState | undefined, command: OrderCommand): OrderEvent[] {
  if (command.do === 'create') {
    invariant(state === undefined, 'an order is created once');
    const { do: _, ...created } = command;
    return [{ type: 'order.created', data: created }];
  }
  invariant(state !== undefined, `an order exists before it is told to ${command.do}`);
  const { status } = state;
  switch (command.do) {
    case 'await_payment':
      if (status === 'awaiting_payment') return [];
      if (status === 'pending') return [{ type: 'order.awaiting_payment', data: {} }];
      break;
    case 'pay':
      if (status === 'paid') return [];
      if (status === 'pending' || status === 'awaiting_payment') {
        return [{ type: 'order.paid', data: { paymentId: command.paymentId } }];
      }
      break;
    case 'reject':
      if (status === 'rejected') return [];
      if (status === 'pending') {
        return [{ type: 'order.rejected', data: { reason: command.reason, items: command.items } }];
      }
      break;
    case 'cancel':
      if (status === 'cancelled') return [];
      if (mayCancel(status, command.by)) {
        return [{ type: 'order.cancelled', data: { reason: command.reason, by: command.by } }];
      }
      break;
    case 'expire':
      if (status !== 'awaiting_payment') return [];
      return [{ type: 'order.cancelled', data: { reason: command.reason, by: 'shop' } }];
    case 'refund':
      if (status === 'cancelled') return [{ type: 'order.refunded', data: { amount: command.amount } }];
      break;
    case 'ship':
      if (status === 'shipped') return [];
      if (status === 'paid') {
        const { trackingNumber, carrier } = command;
        return [{ type: 'order.shipped', data: { trackingNumber, carrier } }];
      }
      break;
    case 'deliver':
      if (status === 'delivered') return [];
      if (status === 'shipped') return [{ type: 'order.delivered', data: {} }];
      break;
  }
  throw invalidTransition(status, command.do);
}

/** A parcel that is under way is called back by staff only, who know whether it can be. */
function mayCancel(status: OrderStatus, by: CancelledBy): boolean {
  if (status === 'shipped') return by === 'staff';
  return status === 'pending' || status === 'awaiting_payment' || status === 'paid';
}

/** The refusal of a command that the order's status forbids. */
function invalidTransition(status: OrderStatus, command: OrderCommand['do']): AppError {
  const action = command.replace('_', ' ');
  return new AppError('conflict', 'invalid_transition', `cannot ${action} an order that is ${status}`);
}

/** The state after `event`. */
export function evolve(state: OrderState | undefined, event: OrderEvent): OrderState {
  if (event.type === 'order.created') {
    const { number, userId, currency, total } = event.data;
    const untouched = { reason: null, trackingNumber: null, paymentId: null };
    return { number, userId, currency, total, status: 'pending', ...untouched, version: 1 };
  }
  invariant(state !== undefined, `${event.type} follows order.created`);
  const next = { ...state, version: state.version + 1 };
  switch (event.type) {
    case 'order.awaiting_payment':
      return { ...next, status: 'awaiting_payment' };
    case 'order.paid':
      return { ...next, status: 'paid', paymentId: event.data.paymentId };
    case 'order.rejected':
      return { ...next, status: 'rejected', reason: event.data.reason };
    case 'order.cancelled':
      return { ...next, status: 'cancelled', reason: event.data.reason };
    case 'order.refunded':
      return next;
    case 'order.shipped':
      return { ...next, status: 'shipped', trackingNumber: event.data.trackingNumber };
    case 'order.delivered':
      return { ...next, status: 'delivered' };
  }
}

/** The state that a whole stream, or what follows `state`, comes to. */
export function fold(events: readonly OrderEvent[], state?: OrderState): OrderState {
  let folded = state;
  for (const event of events) folded = evolve(folded, event);
  invariant(folded !== undefined, 'a stream has events');
  return folded;
}
