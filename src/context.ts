import { AsyncLocalStorage } from 'node:async_hooks';

/** What travels with a request through modules, events and logs. Never personal data. */
export interface RequestContext {
  readonly requestId: string;
  /** W3C trace id, 32 hex digits. */
  readonly traceId: string;
  /** The caller's span id, 16 hex digits. */
  readonly spanId: string;
  readonly userId?: string;
  /** When the caller stops waiting, by `performance.now()`; calls along the chain never outlive it. */
  readonly deadlineAt?: number;
  /** How many calls of modules led here; 0 unless given. */
  readonly depth?: number;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** The context of the current request, delivery or job, if any. */
export function currentContext(): RequestContext | undefined {
  return storage.getStore();
}

export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work);
}
