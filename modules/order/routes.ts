import { z } from 'zod';
import { paymentMethodSchema, paymentSchema } from '#modules/payment/contract';
import { MAX_LINES, productSchema, quantitySchema, skuSchema } from '#modules/product/contract';
import { userSchema } from '#modules/user/contract';
import { pageOf, pageQuery } from '#platform/http/cursor';
import { defineRoutes } from '#platform/http/route';
import { currencySchema } from '#platform/money';
import { orderItemSchema } from './contract.ts';
import { REASON_LENGTH, TRACKING_LENGTH } from './limits.ts';
import { orderStatuses } from './order.ts';
import { addressSchema, orderSchema } from './order-resource.ts';
import { expansions } from './read-order.ts';

const orderId = z.object({ id: z.uuid() });

const invalidTransition = {
  status: 409,
  description:
    'The order is in a state that does not allow this, or a provider has a charge of it to decide.',
};
const orderBusy = {
  status: 503,
  description: 'Another change of the order takes too long to end; nothing was done, and the key is free.',
};
const paymentDeclined = { status: 402, description: 'The provider refused the charge; carries `orderId`.' };
const orderAbandoned = {
  status: 503,
  description:
    'A step had no outcome in time and the order was cancelled; the key is free. Carries `orderId`.',
};

const newOrder = z
  .strictObject({
    items: z
      .array(z.strictObject({ sku: skuSchema, quantity: quantitySchema }))
      .min(1)
      .max(MAX_LINES)
      .describe('Equal skus are added up.'),
    currency: currencySchema,
    payment: paymentMethodSchema.optional(),
    shippingAddress: addressSchema.optional(),
  })
  .meta({ id: 'NewOrder' });

const expandedOrder = orderSchema
  .extend({
    items: z.array(orderItemSchema.extend({ product: productSchema.nullable().optional() })),
    user: userSchema.nullable().optional(),
    payment: paymentSchema.nullable().optional(),
  })
  .meta({ id: 'ExpandedOrder' });

const orderEvent = z
  .object({
    version: z.int(),
    type: z.string(),
    at: z.iso.datetime(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'OrderEvent' });

const expandQuery = z
  .string()
  .transform((names) => names.split(',').map((name) => name.trim()))
  .pipe(z.array(z.enum(expansions)))
  .optional()
  .describe('Comma separated: `user`, `items.product`, `payment`.');

/** RFC 3339 knows a year 0 and offsets of a day; Postgres knows neither. */
const moment = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()])
  .refine((text) => !/^0000|[+-](?:1[6-9]|2\d):\d\d$/.test(text), 'is out of range');

/** The public routes of orders, by operation id. */
export const orderRoutes = defineRoutes({
  placeOrder: {
    method: 'post',
    path: '/orders',
    summary: 'Place an order',
    description:
      'Reserves all stock, charges, and confirms. Waits 5 s for the outcome, or as `Prefer: wait=N` (30 at most) ' +
      'or `Prefer: respond-async` say; then 202, and a repeat with the same key gives the outcome.',
    access: 'customer',
    idempotency: 'required',
    body: newOrder,
    answers: {
      201: { description: 'Paid, or awaiting payment when none came with it.', schema: orderSchema },
      202: { description: 'Still under way; see `Location`.', schema: orderSchema },
    },
    problems: {
      insufficient_stock: {
        status: 409,
        description: 'Carries `orderId` and `items` with what is available.',
      },
      order_cancelled: {
        status: 409,
        description: 'Cancelled while it was being placed; carries `orderId`.',
      },
      payment_declined: paymentDeclined,
      unknown_sku: { status: 422, description: 'Some skus are not sold here; carries `skus`.' },
      no_price: { status: 422, description: 'Some skus have no price in this currency; carries `skus`.' },
      amount_out_of_range: { status: 422, description: 'The total is larger than this shop can count.' },
      order_abandoned: orderAbandoned,
    },
  },
  listOrders: {
    method: 'get',
    path: '/orders',
    summary: 'List orders, newest first',
    description: 'Staff see all orders, others their own.',
    access: 'customer',
    query: z.object({
      ...pageQuery,
      status: z.enum(orderStatuses).optional(),
      userId: z.uuid().optional(),
      from: moment.optional().describe('Created at or after.'),
      to: moment.optional().describe('Created before.'),
    }),
    answers: { 200: { description: 'A page of orders.', schema: pageOf(orderSchema) } },
    problems: {
      invalid_cursor: { status: 400, description: 'The cursor was not made for this list and filter.' },
    },
  },
  getOrder: {
    method: 'get',
    path: '/orders/{id}',
    summary: 'Read an order',
    access: 'customer',
    params: orderId,
    query: z.object({ expand: expandQuery }),
    answers: { 200: { description: 'The order.', schema: expandedOrder } },
  },
  listOrderEvents: {
    method: 'get',
    path: '/orders/{id}/events',
    summary: "Read an order's history",
    access: 'customer',
    params: orderId,
    answers: { 200: { description: 'Every event, oldest first.', schema: z.array(orderEvent) } },
  },
  payOrder: {
    method: 'post',
    path: '/orders/{id}/payment',
    summary: 'Pay an order that awaits payment',
    description: 'Waits like placing an order. An order that is paid stays as it is, and nothing is charged.',
    access: 'customer',
    idempotency: 'required',
    params: orderId,
    body: paymentMethodSchema,
    answers: {
      200: { description: 'Paid.', schema: orderSchema },
      202: { description: 'Still under way; see `Location`.', schema: orderSchema },
    },
    problems: {
      payment_declined: paymentDeclined,
      invalid_transition: invalidTransition,
      order_abandoned: orderAbandoned,
      order_busy: orderBusy,
    },
  },
  cancelOrder: {
    method: 'post',
    path: '/orders/{id}/cancel',
    summary: 'Cancel an order',
    description: 'Money goes back and stock is released, once. After shipping only staff may cancel.',
    access: 'customer',
    params: orderId,
    body: z.strictObject({ reason: z.string().min(1).max(REASON_LENGTH) }).meta({ id: 'Cancellation' }),
    answers: { 200: { description: 'Cancelled.', schema: orderSchema } },
    problems: { invalid_transition: invalidTransition, order_busy: orderBusy },
  },
  shipOrder: {
    method: 'post',
    path: '/orders/{id}/ship',
    summary: 'Tell that an order has left',
    access: 'staff',
    params: orderId,
    body: z
      .strictObject({
        trackingNumber: z.string().min(1).max(TRACKING_LENGTH),
        carrier: z.string().min(1).max(TRACKING_LENGTH).optional(),
      })
      .meta({ id: 'Shipment' }),
    answers: { 200: { description: 'Shipped.', schema: orderSchema } },
    problems: { invalid_transition: invalidTransition },
  },
  deliverOrder: {
    method: 'post',
    path: '/orders/{id}/deliver',
    summary: 'Tell that an order has arrived',
    access: 'staff',
    params: orderId,
    answers: { 200: { description: 'Delivered.', schema: orderSchema } },
    problems: { invalid_transition: invalidTransition },
  },
});
