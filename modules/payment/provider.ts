import { withDeadline } from '#platform/deadline';
import { AppError, isAppError } from '#platform/errors';
import { PROVIDER_TIMEOUT_MS } from './limits.ts';

/** Where a charge stands on the provider's side. All but `authorized` are final. */
export type ChargeState =
  | { readonly state: 'captured' }
  /** The money is held; the provider captures by itself later and tells by webhook. */
  | { readonly state: 'authorized' }
  | { readonly state: 'declined'; readonly reason: string }
  | { readonly state: 'voided' };

/** A verified message of the provider about one charge. */
export interface WebhookEvent {
  /** The provider's own id of the event, the same on every delivery. */
  readonly id: string;
  readonly key: string;
  readonly outcome: ChargeState;
}

export interface LedgerEntry {
  readonly key: string;
  readonly state: ChargeState['state'];
  /** Minor units; 0 for a key that was voided before it was charged. */
  readonly amount: number;
  readonly currency: string | null;
  readonly refunded: number;
}

/**
 * A payment provider, as the module needs it. Keys are ours: the provider does each thing once per key however
 * often it is asked, so every call may be repeated after a crash or a lost answer. A call resolves only with what
 * the provider said; anything else (unreachable, an error, no answer) rejects and means "unknown". Calls go
 * through `ask`, which ends them by a deadline: an adapter passes the signal to its HTTP client.
 *
 * An adapter to a Stripe-like provider sends `key` as the Idempotency-Key and as metadata of the charge, so that
 * `find` can search for it; where keys can not be tombstoned, `void` of an unknown key spends it on an intent that
 * is created unconfirmed and cancelled.
 */
export interface PaymentProvider {
  /** Its name in routes and on payments, as `sandbox`. */
  readonly name: string;
  /**
   * Takes `amount` minor units from what `token` stands for. The same key again answers as the first time and
   * takes nothing more. A voided key is not charged.
   */
  charge(
    request: { key: string; amount: number; currency: string; token: string },
    signal: AbortSignal,
  ): Promise<ChargeState>;
  /** Where the charge with this key stands; undefined when the provider has never charged by it. */
  find(key: string, signal: AbortSignal): Promise<ChargeState | undefined>;
  /**
   * Releases an authorization, or spends an unknown key so that a charge still under way is refused. Resolves
   * with what the charge then is: `captured` when it was too late.
   */
  void(key: string, signal: AbortSignal): Promise<ChargeState>;
  /** Gives `amount` of a captured charge back, once per `key`. Resolves when the provider has taken it on. */
  refund(request: { key: string; chargeKey: string; amount: number }, signal: AbortSignal): Promise<void>;
  /**
   * Reads a webhook: undefined for a kind of event that does not concern us. Fails with `invalid_signature`
   * (invalid) unless it was signed with `secret` within the tolerance around `now`, and with `invalid_request`
   * when the signed body can not be read.
   */
  verifyWebhook(bytes: Uint8Array, headers: Headers, secret: string, now: Date): WebhookEvent | undefined;
  /** The provider's books, for the audit. */
  readonly ledger: {
    /** The entries of these keys, in any order; unknown keys are left out. */
    of(keys: readonly string[], signal: AbortSignal): Promise<LedgerEntry[]>;
    /** Up to `limit` entries in the order of their keys, after the key `after`. */
    page(after: string, limit: number, signal: AbortSignal): Promise<LedgerEntry[]>;
  };
}

/**
 * One call to the provider, ended by PROVIDER_TIMEOUT_MS; its signal aborts when it fails, so that no promise or socket
 * outlives it. Fails with `timeout` or, whatever else went wrong there, `provider_error` (both unavailable: the
 * outcome is unknown). Asking again is safe, by the same key.
 */
export async function ask<T>(what: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController();
  try {
    return await withDeadline(call(ended.signal), PROVIDER_TIMEOUT_MS, `payment provider (${what})`);
  } catch (error) {
    ended.abort();
    if (isAppError(error, 'timeout')) throw error;
    throw new AppError('unavailable', 'provider_error', `the payment provider failed (${what})`, {
      cause: error,
    });
  }
}
