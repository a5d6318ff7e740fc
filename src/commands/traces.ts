import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Command } from 'commander';
import { type ReceivedSpan, readSpans } from '../telemetry/otlp.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { parsePort } from './parse-argument.ts';
import { print, printError } from './terminal.ts';
import { drawTrace } from './trace-tree.ts';

/** Processes send what they have every 5 s, so a trace is whole when nothing has come for a little longer. */
const QUIET_MS = 7_000;
const LOOK_MS = 500;
/** A batch of 512 spans, which is what a process sends at once, has about 200 kB. */
const BATCH_BYTES = 16 * 1024 * 1024;
/** Traces waiting to be whole, and spans of each; more is for a collector with a disk. */
const TRACES = 1_000;
const SPANS = 5_000;

interface Options {
  readonly port: number;
  readonly name?: string;
}

export function addTraces(program: Command): void {
  program
    .command('traces')
    .description('take the traces of shops on this machine and print each as a tree')
    .option('--port <number>', 'where they are sent to, on 127.0.0.1; 0 takes a free one', parsePort, 4318)
    .option('--name <text>', 'only traces with a span whose name has this text in it')
    .addHelpText(
      'after',
      `
A collector for looking at things: it forgets what it has printed. A shop sends traces where
OTEL_EXPORTER_OTLP_ENDPOINT says. A trace is printed when nothing more of it has come for ${QUIET_MS / 1_000} seconds.

Examples:
  banyan traces
  banyan traces --name 'POST /api/v1/orders'
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 banyan serve   # in another terminal`,
    )
    .action(async (options: Options) => await takeTraces(options));
}

/** Runs until SIGINT or SIGTERM; then prints what has come so far. */
async function takeTraces({ port, name }: Options): Promise<void> {
  const waiting = new Map<string, { spans: ReceivedSpan[]; lastAt: number }>();

  function take(span: ReceivedSpan): void {
    const trace = waiting.get(span.traceId) ?? { spans: [], lastAt: 0 };
    waiting.set(span.traceId, trace);
    trace.lastAt = performance.now();
    if (trace.spans.length < SPANS) trace.spans.push(span);
    if (waiting.size > TRACES) show([...waiting.keys()][0]!);
  }

  function show(traceId: string): void {
    const spans = waiting.get(traceId)?.spans ?? [];
    waiting.delete(traceId);
    if (name !== undefined && !spans.some((span) => span.name.includes(name))) return;
    print(`trace ${traceId}, ${spans.length} spans`);
    for (const line of drawTrace(spans)) print(line);
    print();
  }

  const server = createServer(async (request, response) => {
    try {
      for (const span of readSpans(await readBody(request))) take(span);
      // An empty ExportTraceServiceResponse.
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    } catch (error) {
      printError(`traces: what came is no OTLP in protobuf (${(error as Error).message})`);
      response.writeHead(400).end();
    }
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    throw new CommandError(exitCodes.unavailable, `port ${port} cannot be listened on (${cause.code})`, {
      cause,
    });
  });
  const { port: listened } = server.address() as AddressInfo;
  printError(`traces: waiting at http://127.0.0.1:${listened}`);

  const looking = setInterval(() => {
    const before = performance.now() - QUIET_MS;
    for (const [traceId, { lastAt }] of waiting) if (lastAt < before) show(traceId);
  }, LOOK_MS);
  const asked = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => asked.resolve());
  await asked.promise;
  clearInterval(looking);
  server.close();
  server.closeAllConnections();
  for (const traceId of waiting.keys()) show(traceId);
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > BATCH_BYTES) throw new Error(`more than ${BATCH_BYTES} bytes`);
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  return request.headers['content-encoding'] === 'gzip'
    ? gunzipSync(body, { maxOutputLength: BATCH_BYTES })
    : body;
}
