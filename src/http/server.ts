import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { NodeHandler } from '../grpc/server.ts';
import {
  CONNECTION_CHECK_MS,
  CONNECTIONS,
  HEADER_BYTES,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
} from '../limits.ts';
import type { CertificateSource } from './certificate-watch.ts';
import { createBothServer, createPlainServer } from './plain-server.ts';
import { createSecureHttpServer } from './secure-server.ts';

/** How long and how much a server bears with its clients. */
export interface ServerLimits {
  readonly headerBytes: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly connectionCheckMs: number;
  readonly keepAliveMs: number;
  readonly connections: number;
  readonly closeTimeoutMs: number;
}

const defaults: ServerLimits = {
  headerBytes: HEADER_BYTES,
  headersTimeoutMs: HEADERS_TIMEOUT_MS,
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
  connectionCheckMs: CONNECTION_CHECK_MS,
  keepAliveMs: KEEP_ALIVE_MS,
  connections: CONNECTIONS,
  closeTimeoutMs: STOP_TIMEOUT_MS,
};

/** While closing, connections that have become idle are ended this often. */
const IDLE_CHECK_MS = 50;

export interface Listener {
  /** Where it is reached from this machine. */
  readonly url: string;
  /** Goes on serving, and asks clients of HTTP/1.1 with each answer to leave their connection. */
  drain(): void;
  /** Takes no more connections, lets requests in flight finish, and cuts off what is left at the time limit. */
  close(): Promise<void>;
}

/** What a listener needs of a server, be it plain or secure. */
export interface HttpServer {
  readonly server: NetServer;
  /** Takes no more connections; calls back when all have ended. */
  close(closed: () => void): void;
  /** Ends connections that have nothing under way. */
  closeIdleConnections(): void;
  /** Cuts off whatever is left. */
  destroyConnections(): void;
}

/**
 * Serves the app; port 0 takes a free one. Rejects when the address is taken. With a certificate it speaks HTTP/2 and
 * HTTP/1.1 over TLS, and nothing else; without one, HTTP/1.1, and HTTP/2 where there is gRPC to serve.
 */
export async function listen(
  // biome-ignore lint/suspicious/noExplicitAny: what an app keeps per request does not matter here.
  app: Hono<any>,
  options: {
    host: string;
    port: number;
    limits?: Partial<ServerLimits>;
    certificate?: CertificateSource;
    /** Gets the requests that it knows before the app does; with it, HTTP/2 is spoken without TLS too. */
    grpc?: NodeHandler;
  },
): Promise<Listener> {
  const limits = { ...defaults, ...options.limits };
  // The address is taken while it is there: a client that leaves takes its socket with it.
  const answer = getRequestListener((request, env) =>
    app.fetch(request, { ...env, remoteAddress: env.incoming.socket.remoteAddress }),
  );
  let isDraining = false;
  const serve = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ) => {
    // In HTTP/2 a frame says it, and after that Node takes no request: so it comes last.
    if (isDraining && request.httpVersionMajor === 1) response.setHeader('connection', 'close');
    if (grpc?.handles(request.url ?? '')) return grpc.handle(request, response);
    return answer(request, response);
  };
  const { certificate, grpc } = options;
  const http =
    certificate === undefined
      ? (grpc === undefined ? createPlainServer : createBothServer)(serve, limits)
      : createSecureHttpServer(serve, certificate, limits);
  const { server } = http;
  server.maxConnections = limits.connections;

  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(options.port, options.host, listening.resolve);
  await listening.promise;
  server.off('error', listening.reject);
  const { port } = server.address() as AddressInfo;
  const scheme = certificate === undefined ? 'http' : 'https';
  const drain = () => {
    isDraining = true;
  };
  return {
    url: `${scheme}://${reachable(options.host)}:${port}`,
    drain,
    close() {
      // Requests that still come in on open connections are answered, and told that the connection ends.
      drain();
      return close(http, limits.closeTimeoutMs);
    },
  };
}

/** An address that stands for all of this machine's can be listened on, but not connected to. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

async function close(http: HttpServer, timeoutMs: number): Promise<void> {
  const closed = Promise.withResolvers<void>();
  http.close(closed.resolve);
  const idle = setInterval(() => http.closeIdleConnections(), IDLE_CHECK_MS);
  const cut = setTimeout(() => http.destroyConnections(), timeoutMs);
  await closed.promise;
  clearInterval(idle);
  clearTimeout(cut);
}
