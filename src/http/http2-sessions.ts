import { constants, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { ServerLimits } from './server.ts';

/** Stream ids are below this, so a GOAWAY that names it leaves no request out. */
const LAST_STREAM = 2 ** 31 - 1;

interface SessionState {
  /** When its last request ended, or it began; by `performance.now()`. */
  idleSinceMs: number;
  hasServed: boolean;
  /** Its requests under way, and when each came. */
  readonly streams: Map<ServerHttp2Stream, number>;
}

/** The HTTP/2 connections of a server. */
export interface Http2Sessions {
  /** Asks clients to send no more on their connections; what they have sent is answered. */
  sayGoodbye(): void;
  /** Ends each connection when its client has heard the goodbye, and its last request is answered. */
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

  /** When each was asked to leave. */
  const told = new WeakMap<ServerHttp2Session, number>();
  function tell(session: ServerHttp2Session): void {
    if (told.has(session) || session.destroyed || session.closed) return;
    told.set(session, performance.now());
    session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM);
  }

  /** Ends a session when it has nothing under way; one that was told only now gets a moment for what it has sent. */
  async function end(session: ServerHttp2Session): Promise<void> {
    tell(session);
    const toldAtMs = told.get(session) ?? 0;
    await heard(session, Math.max(0, toldAtMs + limits.goodbyeMs - performance.now()));
    session.close();
  }

  return {
    sayGoodbye() {
      for (const session of sessions.keys()) tell(session);
    },
    end() {
      for (const session of sessions.keys()) void end(session);
    },
    destroy() {
      for (const session of sessions.keys()) session.destroy(undefined, constants.NGHTTP2_CANCEL);
    },
    stop: () => clearInterval(checking),
  };
}

/**
 * Resolves when the client must have heard what was sent to it: it answers a ping after whatever it had sent before.
 * Many close at a goodbye, which Node then does not notice, so that the time limit is the usual end.
 */
async function heard(session: ServerHttp2Session, timeoutMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  session.once('close', resolve);
  if (!session.destroyed) session.ping(() => resolve());
  await promise;
  clearTimeout(timer);
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
