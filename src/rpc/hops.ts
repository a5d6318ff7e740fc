import { uuidv7 } from 'uuidv7';
import type { RequestContext } from '../context.ts';
import { newTrace, parseTraceparent } from '../telemetry/trace-context.ts';
import { DEPTH_HEADER, TIMEOUT_HEADER } from './call-headers.ts';

/** What a request from another process of the shop brings of the work that it belongs to. */
export interface Hops {
  readonly context: Pick<RequestContext, 'requestId' | 'traceId' | 'spanId' | 'depth'>;
  /** What was left of the caller's deadline when it sent. */
  readonly timeoutMs: number | undefined;
}

export function readHops(header: (name: string) => string | undefined): Hops {
  const trace = parseTraceparent(header('traceparent')) ?? newTrace();
  return {
    context: {
      requestId: header('x-request-id') ?? uuidv7(),
      ...trace,
      depth: wholeNumber(header(DEPTH_HEADER)),
    },
    timeoutMs: wholeNumber(header(TIMEOUT_HEADER)),
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
