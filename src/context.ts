import { AsyncLocalStorage } from 'node:async_hooks';
import type { TraceContext } from './telemetry/trace-context.ts';

/** What the work is about; they become known along the way, and stand in each log line from then on. */
export interface WorkIds {
  eventId?: string;
  orderId?: string;
}

/** What travels with a request through modules, events and logs. Never personal data. */
export interface RequestContext extends TraceContext {
  readonly requestId: string;
  readonly userId?: string;
  /** When the caller stops waiting, by `performance.now()`; calls along the chain never outlive it. */
  readonly deadlineAt?: number;
  /** How many calls of modules led here; 0 unless given. */
  readonly depth?: number;
  /** Shared by every context that was made from this one. */
  readonly ids?: WorkIds;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** The context of the current request, delivery or job, if any. */
export function currentContext(): RequestContext | undefined {
  return storage.getStore();
}

export function runInContext<T>(context: RequestContext, work: () => T): T {
  return storage.run(context.ids === undefined ? { ...context, ids: {} } : context, work);
}

/** From here on the log of the current request, delivery or job names these ids. */
export function noteIds(ids: WorkIds): void {
  Object.assign(currentContext()?.ids ?? {}, ids);
}

/** `known`, and the order that an input or an event names by the member that all contracts use. */
export function withOrderOf(data: unknown, known: WorkIds = {}): WorkIds {
  if (typeof data !== 'object' || data === null || !('orderId' in data)) return known;
  return typeof data.orderId === 'string' ? { ...known, orderId: data.orderId } : known;
}
