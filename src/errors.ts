/** The kinds of expected failure. One table maps them to HTTP; a remote call carries them as they are. */
export const errorStatus = {
  invalid: 400,
  unauthenticated: 401,
  declined: 402,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  stale: 412,
  too_large: 413,
  unsupported: 415,
  unprocessable: 422,
  too_many: 429,
  /** The outcome is unknown to the caller: the work may or may not have been done. */
  unavailable: 503,
} as const;

export type ErrorKind = keyof typeof errorStatus;

export interface ErrorOptions {
  /** Members added to the problem document; JSON values that a client may see. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/**
 * An expected failure. `code` is stable and part of the contract; `message` is for people and may change.
 * Whatever else is thrown is a bug and becomes a plain 500 at the edge.
 */
export class AppError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: ErrorKind, code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.kind = kind;
    this.code = code;
    this.extra = options.extra ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Whether `error` is the expected failure named `code`. */
export function isAppError(error: unknown, code?: string): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** Whether `error` may pass by itself: what was asked for is away, and whether it was done is unknown. */
export function isUnavailable(error: unknown): error is AppError {
  return error instanceof AppError && error.kind === 'unavailable';
}

/** Throws a plain Error, a bug by definition, when `condition` does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
