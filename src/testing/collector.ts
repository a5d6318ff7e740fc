import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type ReceivedSpan, readSpans } from '../telemetry/otlp.ts';

/** An OpenTelemetry collector that keeps what it gets. */
export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** All spans received so far. */
  readonly spans: readonly ReceivedSpan[];
  /** Headers of the last request. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** Answers 400 from here on, or takes spans again. */
  refuse(on: boolean): void;
  stop(): Promise<void>;
}

/** Takes OTLP over HTTP, in protobuf, on a free port. */
export async function startCollector(): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  let headers: Readonly<Record<string, unknown>> = {};
  let refuses = false;
  const server = createServer(async (request, response) => {
    const sent = await buffer(request);
    headers = request.headers;
    const isRight = request.method === 'POST' && request.url === '/v1/traces';
    if (isRight && !refuses) spans.push(...readSpans(sent));
    response.writeHead(!isRight ? 404 : refuses ? 400 : 200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get headers() {
      return headers;
    },
    refuse(on) {
      refuses = on;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** SQL and the like: what a module does with its own store. */
export const isQuery = ({ attributes, name }: ReceivedSpan) =>
  'db.system.name' in attributes && !name.startsWith('TRANSACTION ');

/**
 * A trace as text: a span a line, below its parent and indented, siblings by their names, and of those that are alike
 * one. `label` says more of a span. A span whose parent was not received stands at the top.
 */
export function drawTrace(
  spans: readonly ReceivedSpan[],
  label: (span: ReceivedSpan) => string = () => '',
): string {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const draw = (parentId: string | undefined, indent: string): string[] => {
    const children = spans.filter((span) => {
      const isTop = span.parentId === undefined || !ids.has(span.parentId);
      return parentId === undefined ? isTop : span.parentId === parentId;
    });
    const drawn = children.map((span) => {
      const line = `${indent}${span.kind} ${span.name}${label(span)}${span.failed ? ' !' : ''}`;
      return [line, ...draw(span.spanId, `${indent}  `)].join('\n');
    });
    return [...new Set(drawn)].sort();
  };
  return draw(undefined, '').join('\n');
}
