import { AppError } from '../errors.ts';
import { BODY_BYTES } from '../limits.ts';
import { parseJson } from './json.ts';
import { invalidRequest } from './problem.ts';
import type { RouteSpec } from './route.ts';

/** A request's body before it is looked into; at most one member is there. */
export interface RequestBody {
  readonly bytes?: Uint8Array;
  readonly stream?: ReadableStream<Uint8Array>;
}

/** Reads the body, or hands its stream over where the route wants one. 413 past the route's limit. */
export async function readBody(spec: RouteSpec, request: Request): Promise<RequestBody> {
  const maxBytes = spec.rawBody?.maxBytes ?? BODY_BYTES;
  if (spec.rawBody?.as === 'stream') {
    refuseAnnounced(request, maxBytes);
    return { stream: boundedStream(request.body, maxBytes) };
  }
  const mayHaveBody = spec.method === 'post' || spec.method === 'put' || spec.method === 'patch';
  if (!mayHaveBody && spec.body === undefined) return {};
  return { bytes: await readBytes(request, maxBytes) };
}

/** The JSON value of the bytes; undefined when there are none. */
export function parseBody(headers: Headers, bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined || bytes.length === 0) return undefined;
  requireContentType(headers, 'application/json');
  return parseJson(bytes);
}

/** 415 unless the body is of the media type, in UTF-8 and not compressed. */
export function requireContentType(headers: Headers, mediaType: string): void {
  const [given, ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(';');
  const charset = parameters.map((each) => each.trim()).find((each) => each.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  const encoding = headers.get('content-encoding')?.toLowerCase() ?? 'identity';
  if (given?.trim() === mediaType && isUtf8 && encoding === 'identity') return;
  throw new AppError(
    'unsupported',
    'unsupported_media_type',
    `send ${mediaType}, in UTF-8 and not compressed`,
  );
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  refuseAnnounced(request, maxBytes);
  try {
    // An announced length is kept by the HTTP parser, and reading at once is the faster way.
    if (request.headers.has('content-length')) return new Uint8Array(await request.arrayBuffer());
    const chunks: Uint8Array[] = [];
    for await (const chunk of boundedStream(request.body, maxBytes)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw brokenOff();
  }
}

function refuseAnnounced(request: Request, maxBytes: number): void {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

/**
 * The same stream, ending in a 413 `payload_too_large` as soon as it is longer than `maxBytes`, and in a 400 when
 * the client breaks it off. What its reader leaves unread is dropped, since the connection cannot carry the next
 * request before.
 */
function boundedStream(
  stream: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  const reader = (stream ?? new Blob().stream()).getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read().catch(() => {
        throw brokenOff();
      });
      if (done) return controller.close();
      bytes += value.byteLength;
      if (bytes <= maxBytes) return controller.enqueue(value);
      controller.error(tooLarge(maxBytes));
      void drop(reader);
    },
    cancel() {
      void drop(reader);
    },
  });
}

/** Reads to the end. Who never stops sending is cut off by the server, half a second after the answer. */
async function drop(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // The connection has ended, so there is nothing left to read.
  }
}

function brokenOff(): AppError {
  return invalidRequest([{ path: '', message: 'the body broke off' }]);
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('too_large', 'payload_too_large', `a body may have ${maxBytes} bytes here`);
}
