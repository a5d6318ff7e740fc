import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from '#platform/errors';
import { SIGNATURE_TOLERANCE_SECONDS } from '../limits.ts';

export const SIGNATURE_HEADER = 'webhook-signature';

function mac(secret: string, timestamp: string, body: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();
}

/** The header's value: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. */
export function signWebhook(body: Uint8Array, secret: string, now: Date): string {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  return `t=${timestamp},v1=${mac(secret, timestamp, body).toString('hex')}`;
}

/**
 * Fails with `invalid_signature` (invalid) unless one of the header's `v1` signs these bytes with `secret`, at a
 * time within the tolerance around `now`. Several `v1` are accepted, for a secret that is being replaced.
 */
export function verifySignature(header: string | null, body: Uint8Array, secret: string, now: Date): void {
  const parts = (header ?? '').split(',').map((part) => part.trim());
  const times = parts.filter((part) => part.startsWith('t=')).map((part) => part.slice(2));
  const signatures = parts.filter((part) => part.startsWith('v1=')).map((part) => part.slice(3));
  const [timestamp] = times;
  if (timestamp === undefined || times.length > 1 || !/^\d{1,12}$/.test(timestamp)) {
    throw invalidSignature('it names no single time');
  }
  const expected = mac(secret, timestamp, body);
  const genuine = signatures
    .filter((signature) => /^[0-9a-f]{64}$/.test(signature))
    // Compares in constant time, so that a forger learns nothing from how long a refusal takes.
    .some((signature) => timingSafeEqual(Buffer.from(signature, 'hex'), expected));
  if (!genuine) throw invalidSignature('it does not fit the body');
  const ageSeconds = now.getTime() / 1000 - Number(timestamp);
  if (Math.abs(ageSeconds) > SIGNATURE_TOLERANCE_SECONDS) throw invalidSignature('its time is too far off');
}

function invalidSignature(why: string): AppError {
  return new AppError('invalid', 'invalid_signature', `the webhook's signature is refused: ${why}`);
}
