import type { Payment, paymentContract } from '#modules/payment/contract';
import type { Product, productContract } from '#modules/product/contract';
import type { User, userContract } from '#modules/user/contract';
import { AppError } from '#platform/errors';
import type { DataOf, EventEnvelope, EventType } from '#platform/events/event';
import type { Money } from '#platform/money';
import type { Api } from '#platform/rpc/contract';

/**
 * Stand-ins for the modules that orders need, made from their contracts and kept in memory, for tests that must
 * decide what those answer and when.
 */

type ProductApi = Api<typeof productContract>;
type PaymentApi = Api<typeof paymentContract>;
type UserApi = Pick<Api<typeof userContract>, 'profiles'>;

interface Reservation {
  state: 'open' | 'closed';
  pinned: boolean;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

interface Charge {
  readonly orderId: string;
  readonly amount: Money;
  state: 'captured' | 'authorized' | 'declined';
}

export interface FakeNeeds {
  readonly product: ProductApi;
  readonly payment: PaymentApi;
  readonly user: UserApi;
  /** By sku; every sku costs 5.00 GBP and has no other price. Those not listed are unknown. */
  readonly stock: Map<string, number>;
  readonly reservations: Map<string, Reservation>;
  /** By payment id. */
  readonly charges: Map<string, Charge>;
  readonly users: Map<string, User>;
  /** Every call in the order it came, as `product.reserve`. */
  readonly calls: string[];
  /** Runs before and after each call's effect; what it throws is the call's failure. */
  interrupt: (call: string, when: 'before' | 'after') => Promise<void> | void;
}

export const UNIT_PRICE = 500;

/** Nothing in stock, nobody registered; `tok_ok`, `tok_declined` and `tok_later` act as the sandbox's do. */
export function createFakeNeeds(): FakeNeeds {
  const stock = new Map<string, number>();
  const reservations = new Map<string, Reservation>();
  const charges = new Map<string, Charge>();
  const users = new Map<string, User>();
  const reversed = new Set<string>();
  const calls: string[] = [];

  async function call<T>(name: string, effect: () => T): Promise<T> {
    calls.push(name);
    await needs.interrupt(name, 'before');
    const result = effect();
    await needs.interrupt(name, 'after');
    return result;
  }

  function move(lines: Reservation['lines'], sign: 1 | -1): void {
    for (const { sku, quantity } of lines) stock.set(sku, (stock.get(sku) ?? 0) + sign * quantity);
  }

  function chargesOf(orderIds: readonly string[], state?: Charge['state']): [string, Charge][] {
    return [...charges].filter(
      ([, charge]) => orderIds.includes(charge.orderId) && (!state || charge.state === state),
    );
  }

  const product: ProductApi = {
    quote: ({ skus, currency }) =>
      call('product.quote', () => {
        const unknown = skus.filter((sku) => !stock.has(sku));
        const refuse = (code: string, named: readonly string[]) =>
          new AppError('unprocessable', code, code, { extra: { skus: named } });
        if (unknown.length > 0) throw refuse('unknown_sku', unknown);
        if (currency !== 'GBP') throw refuse('no_price', skus);
        const unitPrice = (sku: string) => ({ amount: sku === 'FREE' ? 0 : UNIT_PRICE, currency });
        return { lines: skus.map((sku) => ({ sku, name: `Name of ${sku}`, unitPrice: unitPrice(sku) })) };
      }),
    reserve: ({ orderId, lines, pinned }) =>
      call('product.reserve', () => {
        const known = reservations.get(orderId);
        if (known?.state === 'open') return {};
        if (known) throw new AppError('conflict', 'reservation_closed', 'closed');
        const items = lines
          .map(({ sku, quantity }) => ({ sku, requested: quantity, available: stock.get(sku) ?? 0 }))
          .filter(({ requested, available }) => requested > available);
        if (items.length > 0) {
          throw new AppError('conflict', 'insufficient_stock', 'not enough', { extra: { items } });
        }
        move(lines, -1);
        reservations.set(orderId, { state: 'open', pinned, lines });
        return {};
      }),
    pin: ({ orderId }) =>
      call('product.pin', () => {
        const reservation = reservations.get(orderId);
        if (reservation?.state !== 'open') throw new AppError('conflict', 'reservation_closed', 'closed');
        reservation.pinned = true;
        return {};
      }),
    unpin: ({ orderId }) =>
      call('product.unpin', () => {
        const reservation = reservations.get(orderId);
        if (reservation) reservation.pinned = false;
        return {};
      }),
    release: ({ orderId }) =>
      call('product.release', () => {
        const reservation = reservations.get(orderId);
        if (reservation?.state === 'open') move(reservation.lines, 1);
        reservations.set(orderId, { state: 'closed', pinned: false, lines: reservation?.lines ?? [] });
        return {};
      }),
    productsBySku: ({ skus }) =>
      call('product.productsBySku', () => ({
        products: skus.filter((sku) => stock.has(sku)).map(productOf),
      })),
  };

  const payment: PaymentApi = {
    charge: ({ paymentId, orderId, amount, token }) =>
      call('payment.charge', () => {
        const known = charges.get(paymentId);
        if (!known && reversed.has(orderId)) throw new AppError('conflict', 'order_reversed', 'reversed');
        const state =
          token === 'tok_declined' ? 'declined' : token === 'tok_later' ? 'authorized' : 'captured';
        const charge = known ?? { orderId, amount, state };
        charges.set(paymentId, charge);
        return { state: charge.state, reason: charge.state === 'declined' ? 'do_not_honor' : null };
      }),
    reverse: ({ orderId }) =>
      call('payment.reverse', () => {
        reversed.add(orderId);
        const captured = chargesOf([orderId], 'captured');
        return { refunded: captured[0]?.[1].amount ?? null, pending: false };
      }),
    payments: ({ orderIds }) =>
      call('payment.payments', () => ({
        payments: chargesOf(orderIds).map(([id, charge]) => toPayment(id, charge)),
      })),
    settlements: ({ orderIds }) =>
      call('payment.settlements', () => ({
        settlements: orderIds.flatMap((orderId) => {
          const captured = chargesOf([orderId], 'captured').map(([, charge]) => charge.amount.amount);
          if (captured.length === 0) return [];
          const total = captured.reduce((all, amount) => all + amount, 0);
          const refunded = reversed.has(orderId) ? total : 0;
          return [
            {
              orderId,
              captures: captured.length,
              captured: total,
              refunded,
              currency: 'GBP',
              pending: false,
            },
          ];
        }),
      })),
  };

  const user: UserApi = {
    profiles: ({ ids }) => call('user.profiles', () => ({ users: ids.flatMap((id) => users.get(id) ?? []) })),
  };

  const needs: FakeNeeds = {
    product,
    payment,
    user,
    stock,
    reservations,
    charges,
    users,
    calls,
    interrupt: () => {},
  };
  return needs;
}

const LONG_AGO = '2026-01-01T00:00:00.000Z';

/** Each sku is a product of its own. */
function productOf(sku: string): Product {
  const stock = { onHand: 1, reserved: 0, available: 1 };
  return {
    id: '0192aaaa-0000-7000-8000-00000000aaaa',
    slug: `product-${sku}`,
    name: `Name of ${sku}`,
    description: '',
    category: null,
    status: 'active',
    variants: [{ id: '0192aaaa-0000-7000-8000-00000000bbbb', sku, options: {}, prices: [], stock }],
    createdAt: LONG_AGO,
    updatedAt: LONG_AGO,
  };
}

function toPayment(id: string, { orderId, amount, state }: Charge): Payment {
  const status = state === 'declined' ? 'failed' : state;
  const refunded = { amount: 0, currency: amount.currency };
  return { id, orderId, status, amount, refunded, provider: 'fake', createdAt: LONG_AGO };
}

/** An event as another module would send it; `id` by which a consumer knows it again. */
export function sentEvent<E extends EventType>(id: string, type: E, data: DataOf<E>): EventEnvelope {
  return { id, type: type.type, stream: `sent:${id}`, version: 1, at: LONG_AGO, data, trace: null };
}
