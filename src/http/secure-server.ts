import type { Server, ServerOptions } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { HTTP2_RESET_BURST, HTTP2_RESET_RATE, HTTP2_STREAMS } from '../limits.ts';
import { MIN_TLS_VERSION } from './certificate.ts';
import type { CertificateSource } from './certificate-watch.ts';
import { watchSessions } from './http2-sessions.ts';
import type { HttpServer, ServerLimits } from './server.ts';

/**
 * HTTP/2 and HTTP/1.1 over TLS, as the client chooses. A new certificate serves connections that come after it.
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
      minVersion: MIN_TLS_VERSION,
      handshakeTimeout: limits.headersTimeoutMs,
      http1Options: http1,
      settings: { maxConcurrentStreams: HTTP2_STREAMS, maxHeaderListSize: limits.headerBytes },
      streamResetBurst: HTTP2_RESET_BURST,
      streamResetRate: HTTP2_RESET_RATE,
    },
    answer,
  );
  const unwatch = certificate.watch((renewed) =>
    server.setSecureContext({ cert: renewed.cert, key: renewed.key, minVersion: MIN_TLS_VERSION }),
  );

  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  const sessions = watchSessions(server, limits);

  return {
    server,
    close(closed) {
      unwatch();
      // Ends HTTP/2 connections as well, each when its last request is answered.
      server.close(() => {
        sessions.stop();
        closed();
      });
    },
    closeIdleConnections: () =>
      (server as typeof server & Pick<Server, 'closeIdleConnections'>).closeIdleConnections(),
    destroyConnections() {
      sessions.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}
