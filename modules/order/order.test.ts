import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAppError } from '#platform/errors';
import {
  type CancelledBy,
  decide,
  evolve,
  fold,
  type OrderCommand,
  type OrderState,
  type OrderStatus,
} from './order.ts';

const gbp = (amount: number) => ({ amount, currency: 'GBP' });
const create: OrderCommand = {
  do: 'create',
  number: 'B-100001',
  userId: '0192aaaa-0000-7000-8000-000000000001',
  currency: 'GBP',
  items: [{ sku: 'A', name: 'Apron', quantity: 2, unitPrice: gbp(650), lineTotal: gbp(1300) }],
  total: gbp(1300),
};

/** Runs a command as a use case does: decides, then evolves. */
function carryOut(state: OrderState | undefined, command: OrderCommand): OrderState {
  return fold(decide(state, command), state);
}

function orderThat(...commands: OrderCommand[]): OrderState {
  return commands.reduce<OrderState | undefined>(carryOut, carryOut(undefined, create)) as OrderState;
}

const pay: OrderCommand = { do: 'pay', paymentId: 'payment-1' };
const ship: OrderCommand = { do: 'ship', trackingNumber: 'T-1', carrier: 'Post' };
const cancelBy = (by: CancelledBy): OrderCommand => ({ do: 'cancel', reason: 'changed my mind', by });

describe('an order', () => {
  it('starts pending at version 1 with a snapshot of what was sold', () => {
    expect(decide(undefined, create)).toEqual([
      {
        type: 'order.created',
        data: {
          number: 'B-100001',
          userId: '0192aaaa-0000-7000-8000-000000000001',
          currency: 'GBP',
          items: [{ sku: 'A', name: 'Apron', quantity: 2, unitPrice: gbp(650), lineTotal: gbp(1300) }],
          total: gbp(1300),
        },
      },
    ]);
    expect(orderThat()).toMatchObject({ status: 'pending', version: 1, paymentId: null, reason: null });
  });

  it('remembers the payment, the parcel and the reason that it was told', () => {
    expect(orderThat(pay).paymentId).toBe('payment-1');
    expect(orderThat(pay, ship).trackingNumber).toBe('T-1');
    expect(orderThat(cancelBy('customer')).reason).toBe('changed my mind');
    expect(orderThat({ do: 'reject', reason: 'insufficient_stock', items: [] }).reason).toBe(
      'insufficient_stock',
    );
  });

  it('keeps the first payment when it is told of a second', () => {
    expect(decide(orderThat(pay), { do: 'pay', paymentId: 'payment-2' })).toEqual([]);
  });

  it('expires only while it awaits payment', () => {
    const expire: OrderCommand = { do: 'expire', reason: 'payment_window_closed' };
    expect(decide(orderThat({ do: 'await_payment' }, pay), expire)).toEqual([]);
    expect(decide(orderThat({ do: 'await_payment' }), expire)).toEqual([
      { type: 'order.cancelled', data: { reason: 'payment_window_closed', by: 'shop' } },
    ]);
  });

  it('is called back after shipping by staff, and by nobody else', () => {
    const shipped = orderThat(pay, ship);
    expect(carryOut(shipped, cancelBy('staff')).status).toBe('cancelled');
    expect(() => decide(shipped, cancelBy('customer'))).toThrow('cannot cancel an order that is shipped');
    expect(() => decide(shipped, cancelBy('shop'))).toThrow('cannot cancel an order that is shipped');
  });

  it('counts every refund of a cancelled order as a version and changes nothing else', () => {
    const cancelled = orderThat(pay, cancelBy('customer'));
    const refunded = carryOut(cancelled, { do: 'refund', amount: gbp(1300) });
    expect(refunded).toEqual({ ...cancelled, version: cancelled.version + 1 });
  });

  it('cannot be told anything before it is created', () => {
    expect(() => decide(undefined, pay)).toThrow('exists before it is told to pay');
    expect(() => decide(orderThat(), create)).toThrow('created once');
  });
});

describe('against an independent model', () => {
  /** From which status to which each command leads; what is not listed is refused, what stays is no event. */
  const model: Record<string, Partial<Record<OrderStatus, OrderStatus>>> = {
    await_payment: { pending: 'awaiting_payment', awaiting_payment: 'awaiting_payment' },
    pay: { pending: 'paid', awaiting_payment: 'paid', paid: 'paid' },
    reject: { pending: 'rejected', rejected: 'rejected' },
    'cancel by customer': {
      pending: 'cancelled',
      awaiting_payment: 'cancelled',
      paid: 'cancelled',
      cancelled: 'cancelled',
    },
    'cancel by shop': {
      pending: 'cancelled',
      awaiting_payment: 'cancelled',
      paid: 'cancelled',
      cancelled: 'cancelled',
    },
    'cancel by staff': {
      pending: 'cancelled',
      awaiting_payment: 'cancelled',
      paid: 'cancelled',
      shipped: 'cancelled',
      cancelled: 'cancelled',
    },
    expire: {
      pending: 'pending',
      awaiting_payment: 'cancelled',
      paid: 'paid',
      shipped: 'shipped',
      delivered: 'delivered',
      rejected: 'rejected',
      cancelled: 'cancelled',
    },
    refund: { cancelled: 'cancelled' },
    ship: { paid: 'shipped', shipped: 'shipped' },
    deliver: { shipped: 'delivered', delivered: 'delivered' },
  };

  const nameOf = (command: OrderCommand) =>
    command.do === 'cancel' ? `cancel by ${command.by}` : command.do;

  const commands: fc.Arbitrary<OrderCommand> = fc.oneof(
    fc.constant<OrderCommand>({ do: 'await_payment' }),
    fc.option(fc.uuid()).map((paymentId): OrderCommand => ({ do: 'pay', paymentId })),
    fc.constant<OrderCommand>({ do: 'reject', reason: 'insufficient_stock', items: [] }),
    fc.constantFrom<CancelledBy>('customer', 'staff', 'shop').map(cancelBy),
    fc.constant<OrderCommand>({ do: 'expire', reason: 'payment_window_closed' }),
    fc.nat(1300).map((amount): OrderCommand => ({ do: 'refund', amount: gbp(amount) })),
    fc.string({ minLength: 1 }).map(
      (trackingNumber): OrderCommand => ({
        do: 'ship',
        trackingNumber,
        carrier: null,
      }),
    ),
    fc.constant<OrderCommand>({ do: 'deliver' }),
  );

  it('any sequence of commands leads where the model says, with versions that have no gap', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 30 }), (sequence) => {
        let status: OrderStatus = 'pending';
        let events = decide(undefined, create);
        for (const command of sequence) {
          const expected: OrderStatus | undefined = model[nameOf(command)]?.[status];
          const state = fold(events);
          if (expected === undefined) {
            try {
              decide(state, command);
            } catch (error) {
              expect(isAppError(error, 'invalid_transition')).toBe(true);
              continue;
            }
            throw new Error(`${nameOf(command)} was allowed in ${status}`);
          }
          const decided = decide(state, command);
          const changes = expected !== status || command.do === 'refund';
          expect(decided).toHaveLength(changes ? 1 : 0);
          events = [...events, ...decided];
          status = expected;
          expect(fold(events)).toMatchObject({ status, version: events.length });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('evolving event by event and folding the whole log come to the same', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 20 }), (sequence) => {
        const log = decide(undefined, create);
        let state = fold(log);
        for (const command of sequence) {
          try {
            for (const event of decide(state, command)) {
              log.push(event);
              state = evolve(state, event);
            }
          } catch (error) {
            expect(isAppError(error, 'invalid_transition')).toBe(true);
          }
        }
        expect(fold(structuredClone(log))).toEqual(state);
      }),
    );
  });
});
