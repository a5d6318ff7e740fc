import { allModules } from '../src/compose.ts';
import type { Routes } from '../src/http/route.ts';

/** What the platform itself answers, on any route. */
const platformCodes = [
  'forbidden',
  'idempotency_key_in_flight',
  'idempotency_key_missing',
  'idempotency_key_reused',
  'internal',
  'invalid_cursor',
  'invalid_request',
  'invalid_token',
  'keys_unavailable',
  'method_not_allowed',
  'not_found',
  'overloaded',
  'payload_too_large',
  'precondition_failed',
  'rate_limited',
  'unauthenticated',
  'unsupported_media_type',
];

/** Codes that no client can provoke at will, and why. */
const outOfReach: Readonly<Record<string, string>> = {
  internal: 'It is a bug.',
  keys_unavailable: 'It needs a shop that lost its user module; fault 7 makes one.',
  order_abandoned: 'It needs a provider that is away for a minute; the sandbox never is.',
  order_busy: 'It needs a change that takes longer than its caller waits.',
  overloaded: 'It needs more requests at once than a process takes; fault 14 sends them.',
};

/** The documented codes that are within reach, and were not seen. */
export function unprovoked(seen: ReadonlySet<string>): string[] {
  const documented = new Set([
    ...platformCodes,
    ...allModules.flatMap(({ routes }) =>
      Object.values(routes as Routes).flatMap((spec) => Object.keys(spec.problems ?? {})),
    ),
  ]);
  return [...documented].filter((code) => !seen.has(code) && !(code in outOfReach)).sort();
}

/** Events that no client can provoke at will, and why. */
const eventsOutOfReach: Readonly<Record<string, string>> = {
  'payment.late_capture_refunded.v1':
    'Whether a cancellation or a silent charge is quicker is a race between processes; the money goes back either way.',
};

/** The events that some module waits for, are within reach, and are not among those that were published. */
export function unpublished(published: ReadonlySet<string>): string[] {
  const awaited = new Set(allModules.flatMap(({ contract }) => contract.consumes));
  return [...awaited].filter((type) => !published.has(type) && !(type in eventsOutOfReach)).sort();
}
