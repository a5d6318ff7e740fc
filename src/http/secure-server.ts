import type { Server, ServerOptions } from 'node:http';
import {
  constants,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { HTTP2_GOODBYE_MS, HTTP2_RESET_BURST, HTTP2_RESET_RATE, HTTP2_STREAMS } from '../limits.ts';
import type { CertificateSource } from './certificate-watch.ts';
import type { HttpServer, ServerLimits } from './server.ts';

/** Stream ids are below this, so a GOAWAY that names it leaves no request out. */
const LAST_STREAM = 2 ** 31 - 1;

interface SessionState {
  /** When its last request ended, or it began; by `performance.now()`. */
  idleSinceMs: number;
  hasServed: boolean;
  /** Its requests under way, and when each came. */
  readonly streams: Map<ServerHttp2Stream, number>;
}

/**
 * HTTP/2 and HTTP/1.1 over TLS, as the client chooses. HTTP/1.1 has Node's own timeouts; for HTTP/2, which has none,
 * they are kept here: a connection that brings no request, or none any more, is ended, and so is a request whose body
 * does not come to its end and one whose answer is not taken. A new certificate serves connections that come after it.
 */
export function createSecureHttpServer(
  answer: (request: Http2ServerRequest, response: Http2ServerResponse) => unknown,
  certificate: CertificateSource,
  limits: ServerLimits,
): HttpServer {
  const { cert, key } = certificate.current();
  const http1: ServerOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.connectionCheckMs,
    keepAliveTimeout: limits.keepAliveMs,
  };
  const server = createSecureServer(
    {
      allowHTTP1: true,
      cert,
      key,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.headersTimeoutMs,
      http1Options: http1,
      settings: { maxConcurrentStreams: HTTP2_STREAMS, maxHeaderListSize: limits.headerBytes },
      streamResetBurst: HTTP2_RESET_BURST,
      streamResetRate: HTTP2_RESET_RATE,
    },
    answer,
  );
  const unwatch = certificate.watch((renewed) =>
    server.setSecureContext({ cert: renewed.cert, key: renewed.key, minVersion: 'TLSv1.2' }),
  );

  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  const sessions = new Map<ServerHttp2Session, SessionState>();
  server.on('session', (session) => {
    sessions.set(session, { idleSinceMs: performance.now(), hasServed: false, streams: new Map() });
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream) => {
    const state = stream.session && sessions.get(stream.session as ServerHttp2Session);
    if (state === undefined) return;
    state.hasServed = true;
    state.streams.set(stream, performance.now());
    stream.once('close', () => {
      state.streams.delete(stream);
      state.idleSinceMs = performance.now();
    });
    // Longer than an answer may take to begin, so it strikes who has stopped to take one.
    stream.setTimeout(limits.keepAliveMs, () => stream.close(constants.NGHTTP2_CANCEL));
  });
  const checking = setInterval(() => {
    for (const [session, state] of sessions) checkSession(session, state, limits);
  }, limits.connectionCheckMs);
  checking.unref();

  const told = new WeakSet<ServerHttp2Session>();
  function tell(session: ServerHttp2Session): void {
    if (told.has(session) || session.destroyed || session.closed) return;
    told.add(session);
    session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM);
  }

  return {
    server,
    sayGoodbye() {
      for (const session of sessions.keys()) tell(session);
    },
    close(closed) {
      unwatch();
      // Node's own way would end sessions now, and drop requests that are on their way to us.
      TlsServer.prototype.close.call(server, () => {
        clearInterval(checking);
        closed();
      });
      for (const session of sessions.keys()) {
        tell(session);
        void endAfterGoodbye(session);
      }
    },
    closeIdleConnections: () =>
      (server as typeof server & Pick<Server, 'closeIdleConnections'>).closeIdleConnections(),
    destroyConnections() {
      for (const session of sessions.keys()) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The answer to a ping comes after every request that was sent before the goodbye was heard. */
async function endAfterGoodbye(session: ServerHttp2Session): Promise<void> {
  const heard = Promise.withResolvers<void>();
  const timer = setTimeout(heard.resolve, HTTP2_GOODBYE_MS);
  session.once('close', () => heard.resolve());
  if (!session.destroyed) session.ping(() => heard.resolve());
  await heard.promise;
  clearTimeout(timer);
  session.close();
}

function checkSession(session: ServerHttp2Session, state: SessionState, limits: ServerLimits): void {
  const now = performance.now();
  for (const [stream, cameMs] of state.streams) {
    const isLate = now - cameMs > limits.requestTimeoutMs;
    if (isLate && stream.state.remoteClose !== 1) stream.close(constants.NGHTTP2_CANCEL);
  }
  if (state.streams.size > 0) return;
  const patienceMs = state.hasServed ? limits.keepAliveMs : limits.headersTimeoutMs;
  if (now - state.idleSinceMs <= patienceMs) return;
  // One that was told at the last look and is still there does not even read.
  if (session.closed) session.destroy();
  else session.close();
}
