import { noteIds } from '#platform/context';
import type { Handlers } from '#platform/http/route';
import type { SagaDefinition } from '#platform/saga/saga';
import { cancelOrder } from './cancel-order.ts';
import type { CancelData } from './cancel-saga.ts';
import { listVisibleOrders } from './list-orders.ts';
import { moveOrder } from './move-order.ts';
import type { OrderContext } from './order-context.ts';
import { payOrder } from './pay-order.ts';
import type { PayData } from './pay-saga.ts';
import { createPlacing, placeOrder } from './place-order.ts';
import type { PlaceData } from './place-saga.ts';
import { readPatience } from './prefer.ts';
import { readHistory, readOrder } from './read-order.ts';
import type { orderRoutes } from './routes.ts';

export interface OrderSagas {
  readonly place: SagaDefinition<PlaceData>;
  readonly pay: SagaDefinition<PayData>;
  readonly cancel: SagaDefinition<CancelData>;
}

/** Takes each route to its use case. */
export function createHandlers(context: OrderContext, sagas: OrderSagas): Handlers<typeof orderRoutes> {
  const placing = createPlacing(context, sagas.place);
  return {
    placeOrder: ({ principal, body, claim, headers }) =>
      placeOrder(context, placing, {
        userId: principal.userId,
        items: body.items,
        currency: body.currency,
        payment: body.payment,
        shippingAddress: body.shippingAddress as Record<string, string> | undefined,
        claim,
        patience: readPatience(headers.get('prefer')),
      }),
    listOrders: ({ principal, query }) => listVisibleOrders(context, principal, query),
    getOrder: ({ principal, params, query }) =>
      readOrder(context, principal, orderIn(params), new Set(query.expand)),
    listOrderEvents: ({ principal, params }) => readHistory(context, principal, orderIn(params)),
    payOrder: ({ principal, params, body, claim, ifMatch, headers }) =>
      payOrder(context, sagas.pay, {
        orderId: orderIn(params),
        userId: principal.userId,
        card: body,
        claim,
        ifMatch,
        patience: readPatience(headers.get('prefer')),
      }),
    cancelOrder: ({ principal, params, body, claim, ifMatch }) =>
      cancelOrder(context, sagas.cancel, {
        orderId: orderIn(params),
        principal,
        reason: body.reason,
        claim,
        ifMatch,
      }),
    shipOrder: ({ params, body, claim, ifMatch }) =>
      moveOrder(context, {
        orderId: orderIn(params),
        command: { do: 'ship', trackingNumber: body.trackingNumber, carrier: body.carrier ?? null },
        claim,
        ifMatch,
      }),
    deliverOrder: ({ params, claim, ifMatch }) =>
      moveOrder(context, { orderId: orderIn(params), command: { do: 'deliver' }, claim, ifMatch }),
  };
}

/** The order that a path names; from here on the log names it too. */
function orderIn({ id }: { readonly id: string }): string {
  noteIds({ orderId: id });
  return id;
}
