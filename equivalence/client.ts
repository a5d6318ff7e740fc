import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';

/** A request as it goes over the wire: paths and headers are sent as they are written. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Sends the body without telling its length. */
  readonly chunked?: boolean;
}

export interface Answer {
  readonly status: number;
  /** In lower case, sorted by name. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The body after decompression. */
  readonly bytes: Buffer;
  header(name: string): string | undefined;
  /** The JSON body; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: scenarios read members that the API's description promises.
  readonly body: any;
}

export interface Client {
  /** Sends once, whatever comes of it: a retry would hide what one placement does and another does not. */
  send(request: Request): Promise<Answer>;
  close(): void;
}

/** Longer than any answer may take. */
const TIMEOUT_MS = 60_000;

const decoders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
};

/** A client that, unlike fetch, leaves paths and headers alone. */
export function createClient(baseUrl: string): Client {
  const { hostname, port } = new URL(baseUrl);
  const agent = new Agent({ keepAlive: true });
  return {
    async send({ method, path, headers = {}, body, chunked = false }) {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      const length = body === undefined || chunked ? {} : { 'content-length': Buffer.byteLength(body) };
      const request = httpRequest({
        agent,
        hostname,
        port,
        method,
        path,
        headers: { ...headers, ...length, ...(chunked && { 'transfer-encoding': 'chunked' }) },
        timeout: TIMEOUT_MS,
      });
      request.once('response', resolve);
      // Stays after the answer: a server may close while the rest of a refused body is still on its way.
      request.on('error', reject);
      request.once('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
      request.end(body);
      return await read(await promise);
    },
    close: () => agent.destroy(),
  };
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const headers: [string, string][] = [];
  for (let at = 0; at < response.rawHeaders.length; at += 2) {
    headers.push([response.rawHeaders[at]!.toLowerCase(), response.rawHeaders[at + 1]!]);
  }
  headers.sort(([one, its], [other, others]) => compare(one, other) || compare(its, others));
  const header = (name: string) => headers.find(([each]) => each === name)?.[1];
  const sent = Buffer.concat(chunks);
  const decode = decoders[header('content-encoding') ?? ''];
  const bytes = decode && sent.length > 0 ? decode(sent) : sent;
  const isJson = /\bjson\b/.test(header('content-type') ?? '') && bytes.length > 0;
  return {
    status: response.statusCode!,
    headers,
    bytes,
    header,
    body: isJson ? JSON.parse(bytes.toString()) : undefined,
  };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
