import { constants, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { ServerLimits } from './server.ts';

interface SessionState {
  /** When its last request ended, or it began; by `performance.now()`. */
  idleSinceMs: number;
  hasServed: boolean;
  /** Its requests under way, and when each came. */
  readonly streams: Map<ServerHttp2Stream, number>;
}

/** The HTTP/2 connections of a server. */
export interface Http2Sessions {
  /**
   * Ends each connection when its last request is answered. The client is told which one that is, and so knows that
   * what it sends meanwhile was not begun, and may be sent again elsewhere.
   */
  end(): void;
  destroy(): void;
  /** No connection comes any more, and none is there. */
  stop(): void;
}

/**
 * Watches over a server's HTTP/2 connections, for which Node has no timeouts: one that brings no request, or none any
 * more, is ended, and so is a request whose body does not come to its end and one whose answer is not taken.
 */
export function watchSessions(server: Pick<Http2Server, 'on'>, limits: ServerLimits): Http2Sessions {
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

  return {
    end() {
      for (const session of sessions.keys()) session.close();
    },
    destroy() {
      for (const session of sessions.keys()) session.destroy(undefined, constants.NGHTTP2_CANCEL);
    },
    stop: () => clearInterval(checking),
  };
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
