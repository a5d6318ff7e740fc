import { Readable } from 'node:stream';
import type { StatusCode } from 'hono/utils/http-status';
import { currentContext, runInContext } from '../context.ts';
import { invariant } from '../errors.ts';
import { FORWARD_GRACE_MS, FORWARD_WHOLE_BYTES } from '../limits.ts';
import type { Peer, PeerAnswer } from '../peers/peer.ts';
import { readAnswer } from '../peers/read-answer.ts';
import {
  CLIENT_ADDRESS_HEADER,
  DEPTH_HEADER,
  SERVICE_TOKEN_HEADER,
  TIMEOUT_HEADER,
} from '../rpc/call-headers.ts';
import type { ServiceTokens } from '../rpc/service-token.ts';
import { span } from '../telemetry/trace.ts';
import { traceHeaders } from '../telemetry/trace-context.ts';
import { readBody } from './body.ts';
import type { HttpContext } from './http-env.ts';
import { readKey } from './idempotency-key.ts';
import { respond } from './respond.ts';
import type { RouteSpec } from './route.ts';
import { fullPath } from './route-path.ts';
import { admit, type Edge, failureOf } from './serve-route.ts';

/** Where a module's routes are answered, and the proof that we may ask there. */
export interface Forward {
  readonly peer: Peer;
  readonly tokens: ServiceTokens;
}

/** An answer that was read whole, or comes as a stream. */
type Received = Omit<PeerAnswer, 'body'> & { readonly body: Buffer<ArrayBuffer> | ReadableStream };

/** What proxies write down for a request whose client did not wait; no answer has it. */
const CLIENT_LEFT: number = 499;

/** Headers of one connection only (RFC 9110), which end here in both directions. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/**
 * What routes go by. RFC 9110 forbids to name such a header in `Connection`, and who does so all the same gets the
 * answer that a module in this very process would give: an order must not lose its key on the way.
 */
const END_TO_END = new Set([
  'authorization',
  'content-encoding',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'prefer',
  'webhook-signature',
]);
/** What the next hop gets from us and not from the client. Answers are compressed at the edge. */
const OURS = new Set([
  'host',
  'content-length',
  'expect',
  'accept-encoding',
  'x-forwarded-for',
  'forwarded',
  'traceparent',
  'tracestate',
]);

/**
 * A route of a module that runs elsewhere. Its sender is checked and counted here, and what is asked is passed on to
 * the module's process, which checks the user's token again and does the rest. A body up to a mebibyte is read first:
 * so a slow client holds nothing but this process, and a peer that just went away can be replaced by another. A
 * longer one is streamed. An answer that says how long it is, and is not longer than some mebibytes, is read whole as
 * well: a client who never takes it holds no connection to the module. Any other is handed on as it comes.
 */
export function createForwardHandler(
  edge: Edge,
  spec: RouteSpec,
  { peer, tokens }: Forward,
): (c: HttpContext) => Promise<Response> {
  async function send(c: HttpContext, userId: string | undefined): Promise<Received> {
    const request = c.req.raw;
    // In the order in which the owner would look at them, so that the same one of two faults is told.
    readKey(spec, request.headers);
    const { bytes, stream } = await readBody(spec, request);
    const context = currentContext();
    invariant(context?.deadlineAt, 'a request has a deadline');
    const { deadlineAt } = context;
    const url = new URL(request.url);
    const headers = {
      ...headersToSend(request.headers),
      ...(bytes && { 'content-length': String(bytes.byteLength) }),
      ...traceHeaders(context),
      'x-request-id': context.requestId,
      [SERVICE_TOKEN_HEADER]: await tokens.issue(peer.module, { userId }),
      [CLIENT_ADDRESS_HEADER]: edge.clientAddress(c) ?? '',
      [DEPTH_HEADER]: '0',
      [TIMEOUT_HEADER]: String(Math.max(0, Math.floor(deadlineAt - performance.now()))),
    };
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    // Bounded by the room of its peer and not with the work of this process: a module that hangs takes no place from
    // others.
    return await peer.send(
      {
        method: request.method,
        path: url.pathname + url.search,
        headers,
        body: stream ?? bytes ?? null,
        deadlineAt: deadlineAt + FORWARD_GRACE_MS,
        repeatable: isRead,
        signal: request.signal,
      },
      async (answer) => ({
        ...answer,
        body: isShort(request.method, answer)
          ? await readAnswer(answer, FORWARD_WHOLE_BYTES)
          : (Readable.toWeb(answer.body) as ReadableStream),
      }),
    );
  }

  const method = spec.method.toUpperCase();
  const name = `${method} ${fullPath(spec)}`;
  const attributes = {
    'http.request.method': method,
    'url.template': fullPath(spec),
    'banyan.module': peer.module,
  };
  const options = { kind: 'client', attributes } as const;

  return async (c) => {
    c.set('route', fullPath(spec));
    try {
      const principal = await admit(edge, spec, c);
      const context = currentContext();
      invariant(context, 'a request has a context');
      const userId = principal?.userId;
      // Whoever leaves is no failure of the module's.
      const isAnswer = () => c.req.raw.signal.aborted;
      const answer = await runInContext({ ...context, userId }, () =>
        span(name, { ...options, isAnswer }, async (sent) => {
          const received = await send(c, userId);
          sent.set({ 'http.response.status_code': received.status });
          if (received.status >= 500) sent.fail(String(received.status));
          return received;
        }),
      );
      return passOn(c, answer);
    } catch (error) {
      // Nobody hears it; counted as it is, and not as an outage of the module.
      if (c.req.raw.signal.aborted) return c.body(null, CLIENT_LEFT as StatusCode);
      return respond(c, failureOf(edge.log, c, error), { shared: false });
    }
  };
}

function passOn(c: HttpContext, { status, headers, body }: Received): Response {
  const named = connectionHeaders(headers.connection);
  for (const [name, value] of Object.entries(headers)) {
    // The ids and the date of the answer are this process's own; they say the same.
    if (value === undefined || HOP_BY_HOP.has(name) || named.has(name) || name.startsWith('banyan-'))
      continue;
    if (name === 'x-request-id' || name === 'date') continue;
    if (typeof value === 'string') c.header(name, value);
    else for (const each of value) c.header(name, each, { append: true });
  }
  const isBodyless = status === 204 || status === 304 || c.req.method === 'HEAD';
  return isBodyless ? c.body(null, status as StatusCode) : c.body(body, status as 200);
}

function isShort(method: string, { status, headers }: PeerAnswer): boolean {
  if (method === 'HEAD' || status === 204 || status === 304) return true;
  return Number(headers['content-length'] ?? Number.POSITIVE_INFINITY) <= FORWARD_WHOLE_BYTES;
}

function headersToSend(headers: Headers): Record<string, string> {
  const named = connectionHeaders(headers.get('connection') ?? undefined);
  const sent: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (HOP_BY_HOP.has(name) || OURS.has(name) || name.startsWith('banyan-')) continue;
    if (named.has(name) && !END_TO_END.has(name)) continue;
    sent[name] = value;
  }
  return sent;
}

/** Headers that `Connection` names belong to that connection too. */
function connectionHeaders(value: string | readonly string[] | undefined): ReadonlySet<string> {
  const text = typeof value === 'string' ? value : (value ?? []).join(',');
  return new Set(text.split(',').map((name) => name.trim().toLowerCase()));
}
