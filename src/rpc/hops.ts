import { uuidv7 } from 'uuidv7';
import type { RequestContext } from '../context.ts';
import { parseTraceparent, type TraceContext } from '../telemetry/trace-context.ts';
import { DEPTH_HEADER, TIMEOUT_HEADER } from './call-headers.ts';

/** What a request from another process of the shop brings of the work that it belongs to. */
export interface Hops {
  readonly context: Pick<RequestContext, 'requestId' | 'depth'>;
  /** The span there that sent it. */
  readonly parent: TraceContext | undefined;
  /** What was left of the caller's deadline when it sent. */
  readonly timeoutMs: number | undefined;
}

export function readHops(header: (name: string) => string | undefined): Hops {
  return {
    context: {
      requestId: header('x-request-id') ?? uuidv7(),
      depth: wholeNumber(header(DEPTH_HEADER)),
    },
    parent: parseTraceparent(header('traceparent'), header('tracestate')),
    timeoutMs: wholeNumber(header(TIMEOUT_HEADER)),
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
