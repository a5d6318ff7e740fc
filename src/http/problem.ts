import { AppError, errorStatus } from '../errors.ts';
import type { Answer } from './route.ts';

/** RFC 9457, with the members that every problem of this API has. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly traceId: string;
  readonly [extra: string]: unknown;
}

/** One wrong member of a request: where it stands, as `items.0.sku`, and what is wrong with it. */
export interface RequestError {
  readonly path: string;
  readonly message: string;
}

/** Where a problem came up: the path that was asked for, and the trace by which we find it again. */
export interface Occurrence {
  readonly instance: string;
  readonly traceId: string;
}

/** A 400 that lists what is wrong with the request. */
export function invalidRequest(errors: readonly RequestError[]): AppError {
  const first = errors[0];
  const detail = first ? [first.path, first.message].filter(Boolean).join(': ') : 'the request is malformed';
  return new AppError('invalid', 'invalid_request', detail, { extra: { errors } });
}

/**
 * The answer that a failure becomes. Only an `AppError` tells anything; whatever else was thrown is a plain 500
 * `internal`, whose cause the log keeps under the same trace id.
 */
export function problemAnswer(error: unknown, occurrence: Occurrence): Answer {
  if (!(error instanceof AppError)) {
    const body = problem(500, 'internal', 'something went wrong on our side', occurrence);
    return { status: 500, body };
  }
  const status = errorStatus[error.kind];
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterSeconds)));
  } else if (status === 429 || status === 503) {
    headers['retry-after'] = '1';
  }
  // RFC 9110 wants a challenge on every 401; RFC 6750 a reason when a token was sent.
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="banyan"';
  if (error.code === 'invalid_token') headers['www-authenticate'] += ', error="invalid_token"';
  const own = problem(status, error.code, error.message, occurrence);
  // A 400 always has the list, so that clients need not ask whether it is there.
  const errors = status === 400 ? { errors: [] } : {};
  // First for the order of members, last so that no extra member stands in for a standard one.
  return { status, headers, body: { ...own, ...errors, ...error.extra, ...own } };
}

/** A problem document of any status. */
export function problem(status: number, code: string, detail: string, occurrence: Occurrence): Problem {
  return { type: `/problems/${code}`, title: titleOf(code), status, detail, ...occurrence, code };
}

/** `insufficient_stock` reads as "Insufficient stock". */
function titleOf(code: string): string {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
