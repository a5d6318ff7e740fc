import { bigint, integer, jsonb, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import type { OrderItem, OrderStatus } from './order.ts';

/** The tables of drizzle/order, as the query builder sees them; the migrations are the truth. */
const orders = pgSchema('orders');

export const event = orders.table('event', {
  stream: uuid('stream').notNull(),
  version: integer('version').notNull(),
  type: text('type').notNull(),
  data: jsonb('data').notNull(),
  at: timestamp('at', { withTimezone: true, mode: 'string' }).notNull(),
});

export const orderView = orders.table('order_view', {
  id: uuid('id').primaryKey(),
  number: text('number').notNull(),
  userId: uuid('user_id').notNull(),
  status: text('status').$type<OrderStatus>().notNull(),
  currency: text('currency').notNull(),
  items: jsonb('items').$type<readonly OrderItem[]>().notNull(),
  total: bigint('total', { mode: 'number' }).notNull(),
  reason: text('reason'),
  trackingNumber: text('tracking_number'),
  paymentId: uuid('payment_id'),
  version: integer('version').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'string' }).notNull(),
  updatedAt: timestamp('updated_at', { withTimezone: true, mode: 'string' }).notNull(),
});

export const orderAddress = orders.table('order_address', {
  orderId: uuid('order_id').primaryKey(),
  userId: uuid('user_id').notNull(),
  address: jsonb('address').$type<Readonly<Record<string, string>>>().notNull(),
});
