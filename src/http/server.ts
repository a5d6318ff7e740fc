import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import {
  CONNECTION_CHECK_MS,
  CONNECTIONS,
  HEADER_BYTES,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
} from '../limits.ts';

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
  /** Takes no more connections, lets requests in flight finish, and cuts off what is left at the time limit. */
  close(): Promise<void>;
}

/** Serves the app; port 0 takes a free one. Rejects when the address is taken. */
export async function listen(
  // biome-ignore lint/suspicious/noExplicitAny: what an app keeps per request does not matter here.
  app: Hono<any>,
  options: { host: string; port: number; limits?: Partial<ServerLimits> },
): Promise<Listener> {
  const limits = { ...defaults, ...options.limits };
  const server = createAdaptorServer({
    fetch: app.fetch,
    createServer,
    serverOptions: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionCheckMs,
      keepAliveTimeout: limits.keepAliveMs,
    },
  }) as Server;
  server.maxConnections = limits.connections;

  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(options.port, options.host, listening.resolve);
  await listening.promise;
  server.off('error', listening.reject);
  const { port } = server.address() as AddressInfo;
  const url = `http://${reachable(options.host)}:${port}`;
  return { url, close: () => close(server, limits.closeTimeoutMs) };
}

/** An address that stands for all of this machine's can be listened on, but not connected to. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

async function close(server: Server, timeoutMs: number): Promise<void> {
  const closed = Promise.withResolvers<void>();
  // Requests that still come in on open connections are answered, and told that the connection ends.
  server.prependListener('request', (_request, response) => response.setHeader('connection', 'close'));
  server.close(() => closed.resolve());
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed.promise;
  clearInterval(idle);
  clearTimeout(cut);
}
