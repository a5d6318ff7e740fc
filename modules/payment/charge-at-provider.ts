import { backoffMs, sleep } from '#platform/deadline';
import { AppError, isAppError } from '#platform/errors';
import type { Logger } from '#platform/telemetry/log';
import { CHARGE_ATTEMPTS, CHARGE_BACKOFF_MAX_MS, CHARGE_BACKOFF_MS } from './limits.ts';
import { ask, type ChargeState, type PaymentProvider } from './provider.ts';

export interface ChargeRequest {
  readonly key: string;
  readonly amount: number;
  readonly currency: string;
  readonly token: string;
}

/**
 * Charges at the provider until its answer is known. After an error, which may hide a charge that took place, it
 * asks by key and only then charges again with the same key; a provider that stays silent both times is left
 * alone. `resumed` asks first, for a charge that an earlier call may have made. Fails with
 * `payment_outcome_unknown` (unavailable): ask again with the same key.
 */
export async function chargeAtProvider(
  provider: PaymentProvider,
  request: ChargeRequest,
  { resumed, log }: { resumed: boolean; log: Logger },
): Promise<ChargeState> {
  const { key } = request;
  let failure: unknown;
  for (let attempt = 0; attempt < CHARGE_ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(backoffMs(attempt, CHARGE_BACKOFF_MS, CHARGE_BACKOFF_MAX_MS));
    try {
      if (resumed || attempt > 0) {
        const known = await ask('find', (signal) => provider.find(key, signal));
        if (known) return known;
      }
      return await ask('charge', (signal) => provider.charge(request, signal));
    } catch (error) {
      if (isAppError(error, 'timeout') && isAppError(failure, 'timeout')) break;
      failure = error;
      log.warn({ err: error, paymentId: key, attempt }, 'payment provider gave no outcome');
    }
  }
  throw new AppError('unavailable', 'payment_outcome_unknown', 'the outcome of the charge is not known yet', {
    cause: failure,
  });
}
