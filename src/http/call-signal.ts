/** Tells a request's work that nobody waits for it any more. */
export interface CallSignal {
  /** Aborted once the client has gone, or `abort` was called. */
  readonly signal: AbortSignal;
  abort(): void;
}

/** Makes the signal when it is first asked for: few handlers ask, and making it costs a short request dear. */
export function createCallSignal(request: Request): CallSignal {
  const own = new AbortController();
  let signal: AbortSignal | undefined;
  return {
    get signal() {
      signal ??= AbortSignal.any([request.signal, own.signal]);
      return signal;
    },
    abort: () => own.abort(),
  };
}
