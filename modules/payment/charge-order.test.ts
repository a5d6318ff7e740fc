import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '#platform/database/database';
import type { Engine } from '#platform/database/engine';
import { openModuleDatabase } from '#platform/testing/database';
import { chargeOrder } from './charge-order.ts';
import type { PaymentProvider } from './provider.ts';
import { findPayment } from './store.ts';
import { booksOf, createTestContext, eventsOf, newCharge } from './test-context.ts';

let engine: Engine;
let database: Database;

beforeAll(async () => {
  ({ engine, database } = await openModuleDatabase('payment', 'payments'));
});
afterAll(() => engine.close());

describe('the tokens of the sandbox', () => {
  test.each([
    ['tok_ok', { state: 'captured', reason: null }],
    ['tok_declined', { state: 'declined', reason: 'card_declined' }],
    ['tok_of_nobody', { state: 'declined', reason: 'invalid_token' }],
    ['tok_timeout', { state: 'captured', reason: null }],
    ['tok_later', { state: 'authorized', reason: null }],
    ['tok_flaky', { state: 'captured', reason: null }],
  ])('%s answers within one charge, and again the same', async (token, answer) => {
    const context = createTestContext(database);
    const charge = newCharge(token);
    expect(await chargeOrder(context, charge)).toEqual(answer);
    expect(await chargeOrder(context, charge)).toEqual(answer);
    expect(await booksOf(database, charge.paymentId)).toEqual([
      { state: answer.state, amount: 1299, refunds: [] },
    ]);
    expect(await eventsOf(database, charge.paymentId)).toEqual([]);
  });

  test('tok_flaky fails twice at the provider before it succeeds', async () => {
    const { provider } = createTestContext(database);
    const { signal } = new AbortController();
    const request = { key: newCharge('').paymentId, amount: 5, currency: 'GBP', token: 'tok_flaky' };
    await expect(provider.charge(request, signal)).rejects.toThrow('tok_flaky');
    expect(await provider.find(request.key, signal)).toBeUndefined();
    await expect(provider.charge(request, signal)).rejects.toThrow('tok_flaky');
    expect(await provider.charge(request, signal)).toEqual({ state: 'captured' });
    expect(await provider.charge(request, signal)).toEqual({ state: 'captured' });
  });

  test('tok_timeout stays silent until its caller stops waiting, and has charged by then', async () => {
    const { provider } = createTestContext(database);
    const caller = new AbortController();
    const request = { key: newCharge('').paymentId, amount: 5, currency: 'GBP', token: 'tok_timeout' };
    const silent = provider.charge(request, caller.signal);
    await expect.poll(() => provider.find(request.key, caller.signal)).toEqual({ state: 'captured' });
    caller.abort(new Error('gone'));
    await expect(silent).rejects.toThrow('gone');
  });
});

describe('a crash between the provider and the record', () => {
  /** Charges, and then the answer is lost: what a process that dies there leaves behind. */
  const losesAnswers = (sandbox: PaymentProvider) => ({
    charge: async (...given: Parameters<PaymentProvider['charge']>) => {
      await sandbox.charge(...given);
      throw new Error('connection lost');
    },
    find: async () => {
      throw new Error('unreachable');
    },
  });

  test.each(['tok_ok', 'tok_declined', 'tok_later'])(
    '%s is charged once, and the repeat tells',
    async (token) => {
      const charge = newCharge(token);
      const broken = createTestContext(database, losesAnswers);
      await expect(chargeOrder(broken, charge)).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'payment_outcome_unknown',
      });
      expect(await findPayment(database, charge.paymentId)).toMatchObject({ status: 'pending' });

      let charges = 0;
      const mended = createTestContext(database, (sandbox) => ({
        charge: async (...given) => {
          charges += 1;
          return await sandbox.charge(...given);
        },
      }));
      const { state } = await chargeOrder(mended, charge);
      expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state, amount: 1299 }]);
      expect(charges).toBe(0);
    },
  );

  test('an intent that never reached the provider is charged by the repeat', async () => {
    const charge = newCharge('tok_ok');
    const broken = createTestContext(database, () => ({
      charge: async () => Promise.reject(new Error('unreachable')),
      find: async () => undefined,
    }));
    await expect(chargeOrder(broken, charge)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await booksOf(database, charge.paymentId)).toEqual([]);
    expect(await chargeOrder(createTestContext(database), charge)).toMatchObject({ state: 'captured' });
    expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'captured' }]);
  });

  test('the intent is committed before the provider is called', async () => {
    const charge = newCharge('tok_ok');
    let seen: string | undefined;
    const context = createTestContext(database, (sandbox) => ({
      charge: async (...given) => {
        seen = (await findPayment(database, charge.paymentId))?.status;
        return await sandbox.charge(...given);
      },
    }));
    await chargeOrder(context, charge);
    expect(seen).toBe('pending');
  });
});

test('ten charges at once with one id take the money once and get one answer', async () => {
  const context = createTestContext(database);
  const charge = newCharge('tok_ok');
  const answers = await Promise.all(Array.from({ length: 10 }, () => chargeOrder(context, charge)));
  expect(new Set(answers.map((answer) => answer.state))).toEqual(new Set(['captured']));
  expect(await booksOf(database, charge.paymentId)).toMatchObject([{ state: 'captured', amount: 1299 }]);
  const payment = await findPayment(database, charge.paymentId);
  expect(payment).toMatchObject({ status: 'captured', version: 2 });
});

test('a provider that stays silent is not asked for ever, and one deadline ends each of its promises', async () => {
  let asked = 0;
  let ended = 0;
  const silence = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      asked += 1;
      signal.addEventListener('abort', () => {
        ended += 1;
        reject(new Error('aborted'));
      });
    });
  const context = createTestContext(database, () => ({
    charge: (_, signal) => silence(signal),
    find: (_, signal) => silence(signal),
  }));
  await expect(chargeOrder(context, newCharge('tok_ok'))).rejects.toMatchObject({ kind: 'unavailable' });
  expect([asked, ended]).toEqual([2, 2]);
});

test('one id asked for another amount is a bug, not a second charge', async () => {
  const context = createTestContext(database);
  const charge = newCharge('tok_ok');
  await chargeOrder(context, charge);
  const other = { ...charge, amount: { amount: 1, currency: 'GBP' } };
  await expect(chargeOrder(context, other)).rejects.toThrow('invariant broken');
});

test('the token is kept nowhere', async () => {
  await chargeOrder(createTestContext(database), newCharge('tok_ok'));
  const [row] = await database.rows<{ text: string }>(sql`
    select (select string_agg(p::text, '') from payments.payment p)
      || (select string_agg(c::text, '') from payments.sandbox_charge c) as text`);
  expect(row?.text).not.toContain('tok_');
});
