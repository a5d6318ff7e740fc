import {
  createTraceState,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { LiveSpan, Recorder, SpanOptions } from './trace.ts';
import type { TraceContext } from './trace-context.ts';

const kinds: Record<NonNullable<SpanOptions['kind']>, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

/** Spans as OpenTelemetry has them. Which span is the current one, our own context knows: see `context.ts`. */
export function createRecorder(tracer: Tracer): Recorder {
  return {
    start(name, { kind = 'internal', attributes, links }, parent, isRemote) {
      const around =
        parent === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, toSpanContext(parent, isRemote));
      const options = { kind: kinds[kind], attributes: { ...attributes }, links: links?.map(toLink) };
      const span = tracer.startSpan(name, options, around);
      return {
        context: fromSpanContext(span.spanContext()),
        set: (more) => void span.setAttributes({ ...more }),
        rename: (better) => void span.updateName(better),
        fail(type) {
          span.setAttribute('error.type', type);
          span.setStatus({ code: SpanStatusCode.ERROR });
        },
        end: () => span.end(),
      } satisfies LiveSpan;
    },
  };
}

function toSpanContext(
  { traceId, spanId, sampled, traceState }: TraceContext,
  isRemote: boolean,
): SpanContext {
  return {
    traceId,
    spanId,
    traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote,
    traceState: traceState === undefined ? undefined : createTraceState(traceState),
  };
}

function fromSpanContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  return {
    traceId,
    spanId,
    sampled: (traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED,
    traceState: traceState?.serialize() || undefined,
  };
}

function toLink(context: TraceContext): Link {
  return { context: toSpanContext(context, true) };
}
