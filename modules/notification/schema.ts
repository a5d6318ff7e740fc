import { integer, jsonb, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';

const notifications = pgSchema('notifications');

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' });

export const mail = notifications.table('mail', {
  id: uuid('id').primaryKey(),
  userId: uuid('user_id').notNull(),
  kind: text('kind').notNull(),
  data: jsonb('data').notNull(),
  trace: text('trace'),
  state: text('state', { enum: ['queued', 'sent', 'failed', 'dropped'] })
    .notNull()
    .default('queued'),
  attempts: integer('attempts').notNull().default(0),
  fence: integer('fence').notNull().default(0),
  dueAt: time('due_at').notNull().defaultNow(),
  lastError: text('last_error'),
  createdAt: time('created_at').notNull().defaultNow(),
  endedAt: time('ended_at'),
});
