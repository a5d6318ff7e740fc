import { z } from 'zod';
import type { Database } from '#platform/database/database';
import { AppError, invariant } from '#platform/errors';
import type { ChargeState, PaymentProvider, WebhookEvent } from '../provider.ts';
import { decide } from './decide.ts';
import {
  type Charge,
  enterCharge,
  enterRefund,
  entriesAfter,
  entriesOf,
  findCharge,
  voidCharge,
} from './ledger-store.ts';
import { SIGNATURE_HEADER, verifySignature } from './signature.ts';

export const SANDBOX = 'sandbox';

/** The body of the sandbox's webhooks. */
const eventSchema = z.object({
  id: z.uuid(),
  type: z.enum(['charge.captured', 'charge.voided']),
  data: z.object({ key: z.uuid() }),
});

/**
 * The built-in provider. It plays an outside party: its books are its own, and it commits to them before it
 * answers, so that a caller may lose an answer but never the charge behind it.
 */
export function createSandbox(database: Database): PaymentProvider {
  return {
    name: SANDBOX,

    async charge({ key, amount, currency, token }, signal) {
      const decision = decide(token);
      const charge = await enterCharge(database, { key, amount, currency }, decision);
      if (decision.silent) return await silence(signal);
      const state = chargeState(charge);
      if (!state) throw new Error('the sandbox had an error of its own (tok_flaky)');
      const same = state.state === 'voided' || (charge?.amount === amount && charge.currency === currency);
      invariant(same, `charge ${key} is asked for with one amount`);
      return state;
    },

    async find(key) {
      return chargeState(await findCharge(database, key));
    },

    async void(key) {
      const state = chargeState(await voidCharge(database, key));
      invariant(state, `charge ${key} is known once it was voided`);
      return state;
    },

    async refund(request) {
      const { chargeKey, amount } = request;
      if (await enterRefund(database, request)) return;
      throw new Error(`the sandbox has not ${amount} left to refund of charge ${chargeKey}`);
    },

    verifyWebhook(bytes, headers, secret, now) {
      verifySignature(headers.get(SIGNATURE_HEADER), bytes, secret, now);
      return readEvent(bytes);
    },

    ledger: {
      of: (keys) => entriesOf(database, keys),
      page: (after, limit) => entriesAfter(database, after, limit),
    },
  };
}

/** Never answers; ends when the caller has stopped waiting, so that nothing is left behind. */
function silence(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return promise;
}

function chargeState(charge: Charge | undefined): ChargeState | undefined {
  if (!charge || charge.state === 'erring') return undefined;
  if (charge.state !== 'declined') return { state: charge.state };
  return { state: 'declined', reason: charge.reason ?? 'declined' };
}

function readEvent(bytes: Uint8Array): WebhookEvent {
  const parsed = eventSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw new AppError('invalid', 'invalid_request', 'this is no event of the sandbox');
  const { id, type, data } = parsed.data;
  return { id, key: data.key, outcome: { state: type === 'charge.captured' ? 'captured' : 'voided' } };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
