import { AppError } from '../errors.ts';

/**
 * SQLSTATEs by which Postgres says "not now": connection trouble (08), too many or no space (53), ended by an
 * operator, a crash or a timeout (57), trouble of its disk (58), and locks that did not come (55P03, 40P01, 40001)
 * or a transaction that was idle for too long (25P03). The login of a role that is still to be made (28) as well.
 */
const PASSING = /^(08|28|53|57|58|55P03$|40P01$|40001$|25P03$)/;

/** Failures that the driver and the socket raise themselves. */
const LOST = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
]);

/**
 * The failure as callers are to see it. What may pass by itself becomes `database_unavailable` (unavailable: a
 * statement or commit under way may have been done or not); the rest stays Postgres's own error.
 */
export function postgresFailure(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || error instanceof AppError) return error;
  if (LOST.has(code) || (/^[0-9A-Z]{5}$/.test(code) && PASSING.test(code))) return databaseUnavailable(error);
  return error;
}

/** Whether the session can be of no more use: it was refused, ended by the server, or lost on the way. */
export function endsSession(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && (LOST.has(code) || /^(08|28|57P)/.test(code));
}

/** 503: the database is away, or did not answer in time. */
export function databaseUnavailable(cause: unknown): AppError {
  return new AppError('unavailable', 'database_unavailable', 'the database does not answer at the moment', {
    retryAfterSeconds: 1,
    cause,
  });
}
