import { randomBytes } from 'node:crypto';
import { RANDOM_POOL_BYTES } from '../limits.ts';

/** W3C Trace Context: which trace this belongs to, and under which of its spans. */
export interface TraceContext {
  /** Hex, 32 digits. */
  readonly traceId: string;
  /** Hex, 16 digits. */
  readonly spanId: string;
  /** Whether the trace is recorded, as whoever began it decided. Not, unless it says so. */
  readonly sampled?: boolean;
  /** What tracing systems on the way say to each other; passed on as it is. */
  readonly traceState?: string;
}

/** The headers by which a trace travels. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate?: string;
}

// Versions after 00 may add members, which are passed over, as the standard says; ff is none.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Of the flags we know one; those of later versions are not ours to pass on. */
const SAMPLED = 1;
/** The standard asks to pass on this much at least; whoever sends more is cut off from it, and from nothing else. */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/** Reads the two headers; a malformed or all-zero `traceparent` is no parent, and `tracestate` is nothing without it. */
export function parseTraceparent(
  header: string | null | undefined,
  state?: string | null,
): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(header ?? '') ?? [];
  if (!traceId || !spanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  if (version === '00' && rest !== undefined) return undefined;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED;
  return { traceId, spanId, sampled, traceState: state && TRACESTATE.test(state) ? state : undefined };
}

/** The `traceparent` header that hands these ids on. */
function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** What a request of ours to another process carries. */
export function traceHeaders(context: TraceContext): TraceHeaders {
  const traceparent = formatTraceparent(context);
  return context.traceState === undefined ? { traceparent } : { traceparent, tracestate: context.traceState };
}

/** A trace in one text, as rows keep it: both headers, with a space between them. */
export function formatTrace(context: TraceContext): string {
  const { traceparent, tracestate } = traceHeaders(context);
  return tracestate === undefined ? traceparent : `${traceparent} ${tracestate}`;
}

/** Reads what `formatTrace` wrote. */
export function parseTrace(text: string | null | undefined): TraceContext | undefined {
  const [traceparent, ...state] = (text ?? '').split(' ');
  return parseTraceparent(traceparent, state.join(' '));
}

/** Ids for work that nobody's trace led to and that nobody records; logs and problems go by them. */
export function newTrace(): TraceContext {
  return { traceId: randomHex(16), spanId: randomHex(8), sampled: false, traceState: undefined };
}

/**
 * Random bytes, of which the first `used` are. Asking the system costs more than all the rest of a short request, and as much
 * for a few bytes as for many.
 */
let pool = Buffer.alloc(0);
let used = 0;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(RANDOM_POOL_BYTES);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}
