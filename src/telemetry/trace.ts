import { currentContext, type RequestContext, runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { newTrace, type TraceContext } from './trace-context.ts';

/**
 * Spans, written by hand where something crosses a border. Nothing here knows OpenTelemetry: `tracing.ts` loads it
 * when an operator asks for traces, and hands over a recorder. Until then each span costs one branch.
 */

export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface SpanOptions {
  /** Default: `internal`. */
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  /** By the semantic conventions where they have a name for it. Never personal data, secrets or values of a query. */
  readonly attributes?: Attributes;
  /** Spans of this or another trace that led here besides the parent. */
  readonly links?: readonly TraceContext[];
  /** Failures besides those that a contract declares which are answers to what was asked. */
  readonly isAnswer?: (error: unknown) => boolean;
}

/** A span under way, as the work in it sees it. */
export interface Span {
  set(attributes: Attributes): void;
  rename(name: string): void;
  /** It failed in a way that somebody should look at; `type` is from a closed set, as a code or a class of error. */
  fail(type: string): void;
}

export interface LiveSpan extends Span {
  readonly context: TraceContext;
  end(): void;
}

/** Records spans, or decides not to. */
export interface Recorder {
  /** Without a parent a new trace begins; `isRemote` when the parent's span is not of this very process's work. */
  start(name: string, options: SpanOptions, parent: TraceContext | undefined, isRemote: boolean): LiveSpan;
}

let recorder: Recorder | undefined;

/** From here on this process's spans go to `to`; undefined: nowhere. */
export function recordSpans(to: Recorder | undefined): void {
  recorder = to;
}

/** Whether a span begun here would be recorded: for those whose description costs something. */
export function isRecording(): boolean {
  return recorder !== undefined && currentContext()?.sampled === true;
}

const noSpan: Span = { set: () => undefined, rename: () => undefined, fail: () => undefined };

/**
 * Runs `work` as a span of the trace under way. Outside of one there is no span, so what looks for work every second
 * fills no collector; and within one that is not recorded neither, as its beginning has decided.
 */
export function span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
  if (recorder === undefined) return work(noSpan);
  const context = currentContext();
  if (context?.sampled !== true) return work(noSpan);
  return record(recorder.start(name, options, context, false), options, context, work);
}

/**
 * Runs `work`, which comes from elsewhere or begins by itself, in a context of its own. `parent` is the trace that
 * came with it, if any; whether it is recorded is decided here.
 */
export function enter<T>(
  name: string,
  options: SpanOptions & { readonly parent: TraceContext | undefined },
  context: Omit<RequestContext, keyof TraceContext>,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const { parent } = options;
  if (recorder === undefined) {
    // Its members one by one: a parent may be a whole context, whose deadline ends with the work there.
    const { traceId, spanId, sampled, traceState } = parent ?? newTrace();
    return runInContext({ ...context, traceId, spanId, sampled, traceState }, () => work(noSpan));
  }
  return record(recorder.start(name, options, parent, true), options, context, work);
}

async function record<T>(
  live: LiveSpan,
  { isAnswer }: SpanOptions,
  context: Omit<RequestContext, keyof TraceContext>,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  try {
    return await runInContext({ ...context, ...live.context }, () => work(live));
  } catch (error) {
    const type = failureType(error);
    if (type !== undefined && !isAnswer?.(error)) live.fail(type);
    throw error;
  } finally {
    live.end();
  }
}

/** Undefined for an answer, as that something is not there. */
function failureType(error: unknown): string | undefined {
  return error instanceof AppError && error.kind !== 'unavailable' ? undefined : nameFailure(error);
}

/** What to call a failure in a trace. Its words stay out: they may hold anything. */
export function nameFailure(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'string' && /^\w{1,40}$/.test(code)) return code;
  return error instanceof Error ? error.constructor.name : '_OTHER';
}
