import { bigint, integer, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';

const payments = pgSchema('payments');

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' });
const minor = (name: string) => bigint(name, { mode: 'number' });

export const payment = payments.table('payment', {
  id: uuid('id').primaryKey(),
  orderId: uuid('order_id').notNull(),
  userId: uuid('user_id').notNull(),
  provider: text('provider').notNull(),
  amount: minor('amount').notNull(),
  currency: text('currency').notNull(),
  status: text('status', { enum: ['pending', 'authorized', 'captured', 'failed', 'voided'] })
    .notNull()
    .default('pending'),
  reason: text('reason'),
  refundReserved: minor('refund_reserved').notNull().default(0),
  refunded: minor('refunded').notNull().default(0),
  version: bigint('version', { mode: 'number' }).notNull().default(1),
  attempts: integer('attempts').notNull().default(0),
  dueAt: time('due_at'),
  createdAt: time('created_at').notNull().defaultNow(),
});

export const refund = payments.table('refund', {
  id: uuid('id').primaryKey(),
  paymentId: uuid('payment_id').notNull(),
  amount: minor('amount').notNull(),
  cause: text('cause', { enum: ['requested', 'reversal', 'late_capture'] }).notNull(),
  reason: text('reason').notNull(),
  attempts: integer('attempts').notNull().default(0),
  dueAt: time('due_at'),
  createdAt: time('created_at').notNull().defaultNow(),
});

export const orderReversal = payments.table('order_reversal', {
  orderId: uuid('order_id').primaryKey(),
  refunded: minor('refunded').notNull().default(0),
  currency: text('currency'),
  createdAt: time('created_at').notNull().defaultNow(),
});

export const webhookEvent = payments.table('webhook_event', {
  provider: text('provider').notNull(),
  eventId: text('event_id').notNull(),
  at: time('at').notNull().defaultNow(),
});
