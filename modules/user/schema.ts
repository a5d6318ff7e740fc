import { bigint, jsonb, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';

const users = pgSchema('users');

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' });

export const account = users.table('account', {
  id: uuid('id').primaryKey(),
  role: text('role', { enum: ['customer', 'staff', 'admin'] })
    .notNull()
    .default('customer'),
  version: bigint('version', { mode: 'number' }).notNull().default(1),
  createdAt: time('created_at').notNull().defaultNow(),
  updatedAt: time('updated_at').notNull().defaultNow(),
  erasedAt: time('erased_at'),
});

export const person = users.table('person', {
  accountId: uuid('account_id').primaryKey(),
  email: text('email').notNull(),
  username: text('username').notNull(),
  usernameKey: text('username_key').notNull(),
  passwordHash: text('password_hash').notNull(),
});

export const signingKey = users.table('signing_key', {
  kid: text('kid').primaryKey(),
  rotationId: uuid('rotation_id').notNull(),
  publicJwk: jsonb('public_jwk').notNull(),
  privateJwk: jsonb('private_jwk').notNull(),
  createdAt: time('created_at').notNull().defaultNow(),
  signsFrom: time('signs_from').notNull(),
});
