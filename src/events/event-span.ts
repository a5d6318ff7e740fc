import type { SpanOptions } from '../telemetry/trace.ts';
import type { TraceContext } from '../telemetry/trace-context.ts';

/** How an event's way stands in a trace, by the conventions for messaging. */
export interface EventSpan {
  /** As `process order.paid.v1`. */
  readonly name: string;
  readonly options: SpanOptions;
}

const kinds = { create: 'producer', send: 'client', process: 'consumer' } as const;

/** `create` writes an event to the outbox, `send` gives it to Redis, and `process` is one try of a consumer. */
export function eventSpan(
  operation: keyof typeof kinds,
  event: {
    readonly type: string;
    readonly id?: string;
    readonly consumer?: string;
    /** Failed tries before this one. */
    readonly attempts?: number;
    readonly links?: readonly (TraceContext | undefined)[];
  },
): EventSpan {
  return {
    name: `${operation} ${event.type}`,
    options: {
      kind: kinds[operation],
      attributes: {
        'messaging.system.name': operation === 'send' ? 'bullmq' : 'outbox',
        'messaging.operation.name': operation,
        'messaging.operation.type': operation,
        'messaging.destination.name': event.type,
        'messaging.destination.subscription.name': event.consumer,
        'messaging.message.id': event.id,
        'banyan.attempts': event.attempts,
      },
      links: event.links?.filter((link) => link !== undefined),
    },
  };
}
