import type { Attributes, Recorder } from '../telemetry/trace.ts';
import { newTrace } from '../telemetry/trace-context.ts';

/** A span as `createTestRecorder` keeps it. */
export interface RecordedSpan {
  name: string;
  readonly kind: string;
  readonly parentId: string | undefined;
  readonly spanId: string;
  readonly attributes: Attributes;
  failure: string | undefined;
  ended: boolean;
}

/** Keeps what is recorded: the traces that begin with it, and those whose parent is sampled. */
export function createTestRecorder(): Recorder & { readonly spans: readonly RecordedSpan[] } {
  const spans: RecordedSpan[] = [];
  return {
    spans,
    start(name, { kind = 'internal', attributes = {} }, parent) {
      const context = { ...newTrace(), ...(parent && { traceId: parent.traceId }) };
      const sampled = parent?.sampled ?? true;
      const span = {
        name,
        kind,
        parentId: parent?.spanId,
        spanId: context.spanId,
        attributes: { ...attributes },
        failure: undefined as string | undefined,
        ended: false,
      };
      if (sampled) spans.push(span);
      return {
        context: { ...context, sampled },
        set: (more) => void Object.assign(span.attributes, more),
        rename(better) {
          span.name = better;
        },
        fail(type) {
          span.failure = type;
        },
        end() {
          span.ended = true;
        },
      };
    },
  };
}
