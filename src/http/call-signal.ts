/**
 * Tells a request's work that nobody waits for it any more. The signal is made when it is first asked for: few
 * handlers ask, and making it costs a short request dear.
 *
 * A class, as a getter in an object literal has a hidden class for each object, which lives until the next full
 * collection and keeps the whole request with it.
 */
export class CallSignal {
  readonly #request: Request;
  readonly #own = new AbortController();
  #signal: AbortSignal | undefined;

  constructor(request: Request) {
    this.#request = request;
  }

  /** Aborted once the client has gone, or `abort` was called. */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any([this.#request.signal, this.#own.signal]);
    return this.#signal;
  }

  abort(): void {
    this.#own.abort();
  }
}

/** What a handler sees of it, with the rest of its call to be assigned. */
export class SignalOf {
  readonly #caller: CallSignal;

  constructor(caller: CallSignal) {
    this.#caller = caller;
  }

  get signal(): AbortSignal {
    return this.#caller.signal;
  }
}
