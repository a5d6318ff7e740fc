import { AppError, isUnavailable } from '../errors.ts';

/**
 * SQLSTATEs by which Postgres says "not now": connection trouble (08), too many or no space (53), ended by an
 * operator, a crash or a timeout (57), trouble of its disk (58), and locks that did not come (55P03, 40P01, 40001),
 * a commit that nobody can vouch for (40003) or a transaction that was idle for too long (25P03). The login of a
 * role that is still to be made (28), and a server that became a standby (25006), as well.
 */
const PASSING = /^(08|28|53|57|58|55P03$|40P01$|40001$|40003$|25P03$|25006$)/;

/** How the driver, the socket and TLS say that a session is lost which was there. */
const LOST =
  /^(CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONNRESET|ECONNABORTED|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EPIPE|ETIMEDOUT|ERR_SSL_.*)$/;

interface Failure {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly severity_local?: unknown;
  readonly routine?: unknown;
}

/**
 * The failure as callers are to see it. What may pass by itself becomes `database_unavailable` (unavailable: a
 * statement or commit under way may have been done or not); the rest stays Postgres's own error, whose `code` tells
 * which constraint or rule was broken.
 */
export function postgresFailure(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const { code, routine } = (error ?? {}) as Failure;
  if (typeof code !== 'string') return error;
  const mayPass =
    LOST.test(code) ||
    isFatal(error) ||
    (/^[0-9A-Z]{5}$/.test(code) && PASSING.test(code)) ||
    // A migration changed a table under a prepared statement, which is prepared anew the next time.
    routine === 'RevalidateCachedQuery';
  return mayPass ? databaseUnavailable(error) : error;
}

/**
 * Whether the session can be of no more use: it was refused, ended by the server, lost on the way, or leads to a
 * standby, while another dial may reach the server that took over.
 */
export function endsSession(error: unknown): boolean {
  const { code } = (error ?? {}) as Failure;
  if (isFatal(error)) return true;
  return typeof code === 'string' && (LOST.test(code) || code.startsWith('08') || code === '25006');
}

/** Whether a lock did not come in time, or could not: whatever the transaction did is taken back, that much is known. */
export function isLockFailure(error: unknown): boolean {
  const { code } = ((error instanceof AppError ? error.cause : error) ?? {}) as Failure;
  return code === '55P03' || code === '40P01';
}

/** Whether a statement was refused because one before it in the same transaction had failed. */
export function isTransactionAborted(error: unknown): boolean {
  return ((error ?? {}) as Failure).code === '25P02';
}

/** Postgres ends the session after such an error, whatever its code; poolers tell it in the localized member only. */
function isFatal(error: unknown): boolean {
  const { severity, severity_local } = (error ?? {}) as Failure;
  return /^(FATAL|PANIC)$/.test(String(severity ?? severity_local));
}

/** 503: the database is away, or did not answer in time. What says so already stays as it is, with its own cause. */
export function databaseUnavailable(cause: unknown): AppError {
  if (isUnavailable(cause)) return cause;
  return new AppError('unavailable', 'database_unavailable', 'the database does not answer at the moment', {
    retryAfterSeconds: 1,
    cause,
  });
}
