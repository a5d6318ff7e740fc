import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { Socket } from 'node:net';
import { HTTP2_RESET_RATE, PEER_STREAMS, SILENT_CLOSE_MS } from '../limits.ts';
import { watchSessions } from './http2-sessions.ts';
import type { HttpServer, ServerLimits } from './server.ts';

type Serve = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => unknown;

/** How every HTTP/2 connection begins (RFC 9113, 3.4). No request of HTTP/1.1 does. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** By the first four bytes they differ, and no request is shorter. */
const TELLING_BYTES = 4;

/** HTTP/1.1 without TLS. */
export function createPlainServer(serve: Serve, limits: ServerLimits): HttpServer {
  const server = createHttp1Server(serve, limits);
  return {
    server,
    close: (closed) => server.close(() => closed()),
    closeIdleConnections: () => server.closeIdleConnections(),
    destroyConnections: () => server.closeAllConnections(),
  };
}

/**
 * HTTP/1.1, and HTTP/2 for clients that begin with it, without TLS and on one port: gRPC needs HTTP/2, and probes and
 * scrapes speak HTTP/1.1.
 */
export function createBothServer(serve: Serve, limits: ServerLimits): HttpServer {
  const server = createHttp1Server(serve, limits);
  const http2 = createHttp2Server(
    {
      settings: { maxConcurrentStreams: PEER_STREAMS, maxHeaderListSize: limits.headerBytes },
      // When a module hangs, its callers take back what they have asked it, all of them at once.
      streamResetBurst: 2 * PEER_STREAMS,
      streamResetRate: HTTP2_RESET_RATE,
    },
    serve,
  );
  const sessions = watchSessions(http2, limits);
  const sockets = new Set<Socket>();
  /** Those that have not said anything yet. */
  const silent = new Set<Socket>();
  const takeHttp1 = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    silent.add(socket);
    socket.once('close', () => sockets.delete(socket));
    void isHttp2(socket, limits.headersTimeoutMs).then((isSo) => {
      silent.delete(socket);
      if (isSo === undefined) socket.destroy();
      else if (isSo) http2.emit('connection', socket);
      else for (const take of takeHttp1) take.call(server, socket);
    });
  });
  return {
    server,
    close(closed) {
      server.close(() => {
        sessions.stop();
        closed();
      });
      sessions.end();
      setTimeout(() => destroy(silent), SILENT_CLOSE_MS).unref();
    },
    closeIdleConnections: () => server.closeIdleConnections(),
    destroyConnections() {
      sessions.destroy();
      server.closeAllConnections();
      destroy(sockets);
    },
  };
}

function destroy(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.destroy();
}

function createHttp1Server(serve: Serve, limits: ServerLimits) {
  return createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionCheckMs,
      keepAliveTimeout: limits.keepAliveMs,
    },
    serve,
  );
}

/**
 * Looks at the first bytes and puts them back. Undefined: the socket said nothing within `timeoutMs`, or ended.
 */
async function isHttp2(socket: Socket, timeoutMs: number): Promise<boolean | undefined> {
  const told = Promise.withResolvers<boolean | undefined>();
  const nothing = () => told.resolve(undefined);
  let seen: Buffer = Buffer.alloc(0);
  const read = () => {
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
      seen = Buffer.concat([seen, chunk]);
    }
    const start = seen.subarray(0, TELLING_BYTES);
    const isSo = start.equals(PREFACE.subarray(0, start.length));
    if (!isSo || start.length === TELLING_BYTES) told.resolve(isSo);
  };
  const timer = setTimeout(nothing, timeoutMs);
  socket.on('readable', read).once('end', nothing).once('error', nothing).once('close', nothing);
  const isSo = await told.promise;
  clearTimeout(timer);
  socket.off('readable', read).off('end', nothing).off('error', nothing).off('close', nothing);
  if (isSo !== undefined) socket.unshift(seen);
  return isSo;
}
