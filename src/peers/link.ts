import { Readable } from 'node:stream';
import { Client, H2CClient, Pool } from 'undici';
import { sleep } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { PeerLimits } from './limits.ts';
import type { PeerAnswer, PeerRequest } from './peer.ts';
import { failureOfRequest, TransportFailure } from './transport-failure.ts';

/** One process of a peer, at one address. */
export interface Link {
  readonly origin: string;
  /** Requests whose answer is not there, or not whole. */
  readonly inFlight: number;
  /** When it last failed, if it is left out, by `performance.now()`; undefined: it may be chosen. */
  readonly leftOutSince: number | undefined;
  /**
   * Sends the request and reads its answer. Rejects with a `TransportFailure` when there was none, or as `read` does.
   * When `signal` aborts, the request ends at the peer too, and so does an answer that was handed on unread.
   */
  send<T>(request: PeerRequest, signal: AbortSignal, read: (answer: PeerAnswer) => Promise<T>): Promise<T>;
  /** Whether its event loop turns. */
  lives(): Promise<boolean>;
  /**
   * Leaves it out until it is seen to live, and for a while at least that doubles from failure to failure: some live
   * and fail. False if it is left out already.
   */
  eject(): boolean;
  /** It may be chosen again. */
  readmit(): void;
  /** Takes no more requests, and ends with the last of those in flight. */
  close(): Promise<void>;
  /** Cuts off the requests in flight. */
  destroy(): Promise<void>;
}

/** A request that waits for its answer. */
interface Waiting {
  readonly since: number;
  readonly controller: AbortController;
  readonly http2: boolean;
}

export function createLink(origin: string, limits: PeerLimits): Link {
  const pool = new Pool(origin, {
    connections: limits.connections,
    pipelining: 1,
    connect: { timeout: limits.connectTimeoutMs },
    // Shorter than the server's, so that it closes nothing that we are about to use.
    keepAliveTimeout: limits.keepAliveMs,
    keepAliveMaxTimeout: limits.keepAliveMs,
    // Deadlines are ours, and a stall is found by asking.
    headersTimeout: 0,
    bodyTimeout: limits.bodyIdleMs,
  });
  // Dialled by the first call as gRPC, if there ever is one; its one connection carries all of them.
  const streams = new H2CClient(origin, {
    maxConcurrentStreams: limits.streams,
    pipelining: limits.streams,
    connect: { timeout: limits.connectTimeoutMs },
    keepAliveTimeout: limits.keepAliveMs,
    keepAliveMaxTimeout: limits.keepAliveMs,
    headersTimeout: 0,
    bodyTimeout: limits.bodyIdleMs,
  });
  // Apart from those, whose connections may all be waiting.
  const probes = new Client(origin, {
    connect: { timeout: limits.connectTimeoutMs },
    headersTimeout: limits.probeTimeoutMs,
    bodyTimeout: limits.probeTimeoutMs,
  });
  const waiting = new Set<Waiting>();
  let failures = 0;
  let closed = false;
  let leftOut: { since: number; readonly over: AbortController } | undefined;
  let watch: NodeJS.Timeout | undefined;
  let probing = false;

  function eject(): boolean {
    if (closed) return false;
    if (leftOut !== undefined) {
      // Requests that were lost together are one failure; but where all are left out, others have their turn first.
      leftOut.since = performance.now();
      return false;
    }
    const over = new AbortController();
    leftOut = { since: performance.now(), over };
    void watchReturn(Math.min(limits.ejectMs * 2 ** failures, limits.ejectMaxMs), over.signal);
    failures += 1;
    return true;
  }

  function readmit(): void {
    leftOut?.over.abort();
    leftOut = undefined;
  }

  /** Asks it, so that no request has to find out, and its return is seen as soon as may be. */
  async function watchReturn(leastMs: number, over: AbortSignal): Promise<void> {
    await sleep(leastMs, over);
    while (!over.aborted && !(await lives())) await sleep(limits.probeEveryMs, over);
    if (!over.aborted) readmit();
  }

  async function lives(): Promise<boolean> {
    try {
      const { statusCode, body } = await probes.request({
        method: 'GET',
        path: '/livez',
        signal: AbortSignal.timeout(limits.probeTimeoutMs),
      });
      await body.dump();
      return statusCode === 200;
    } catch {
      return false;
    }
  }

  /** A process that was stopped takes connections and requests, and never answers: so whoever waits long has it asked. */
  async function look(): Promise<void> {
    const oldest = Math.min(...[...waiting].map(({ since }) => since));
    if (probing || performance.now() - oldest < limits.stallMs) return;
    probing = true;
    const streamed = [...waiting].some(({ http2 }) => http2);
    if (streamed) void tryStreams();
    const alive = await lives();
    probing = false;
    if (alive) return;
    for (const { controller } of waiting) {
      controller.abort(new TransportFailure('the process does not answer any more', { sent: true }));
    }
  }

  /**
   * One connection carries all calls, so a dead one that nobody is told of would hold up each of them. When this gets
   * no answer undici pings the connection, and replaces it if that has none either.
   */
  async function tryStreams(): Promise<void> {
    const headersTimeout = limits.probeTimeoutMs;
    await streams
      .request({ method: 'GET', path: '/livez', headersTimeout })
      .then(({ body }) => body.dump())
      .catch(() => undefined);
  }

  function enter(controller: AbortController, http2: boolean): () => void {
    const entry = { since: performance.now(), controller, http2 };
    waiting.add(entry);
    watch ??= setInterval(() => void look(), limits.stallMs).unref();
    return () => {
      waiting.delete(entry);
      if (waiting.size > 0) return;
      clearInterval(watch);
      watch = undefined;
    };
  }

  return {
    origin,
    get inFlight() {
      return waiting.size;
    },
    get leftOutSince() {
      return leftOut?.since;
    },
    async send(request, signal, read) {
      const controller = new AbortController();
      const leave = enter(controller, request.http2 ?? false);
      const giveUp = () => controller.abort(signal.reason);
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      const end = () => {
        signal.removeEventListener('abort', giveUp);
        leave();
      };
      let body: Readable | undefined;
      try {
        const answer = await (request.http2 ? streams : pool).request({
          method: request.method as 'GET',
          path: request.path,
          headers: request.headers as Record<string, string | string[]>,
          body: request.body instanceof ReadableStream ? readLater(request.body) : request.body,
          signal: controller.signal,
        });
        body = answer.body;
        // Whoever reads it hears of its failure; an unread one has nobody to tell.
        body.on('error', () => undefined);
        const { statusCode: status, headers, trailers } = answer;
        const result = await read({ status, headers, body, trailers: trailers as PeerAnswer['trailers'] });
        failures = 0;
        readmit();
        return result;
      } catch (error) {
        // With an answer that did not break off, the fault is the reader's.
        const isTransport = body === undefined || body.errored !== null;
        body?.destroy();
        body = undefined;
        if (controller.signal.aborted) throw controller.signal.reason;
        // Only the body's own sender fails like this: it broke off, or sent too much.
        if (isTransport && error instanceof AppError) throw error;
        throw isTransport ? failureOfRequest(error) : error;
      } finally {
        // An answer that is handed on unread is in flight until its end.
        if (body === undefined || body.destroyed || body.readableEnded) end();
        else body.once('close', end);
      }
    },
    lives,
    eject,
    readmit,
    async close() {
      closed = true;
      leftOut?.over.abort();
      // The last requests are watched as all others, so the probes' connection goes after them.
      await Promise.allSettled([pool.close(), streams.close()]);
      await Promise.allSettled([probes.close()]);
    },
    async destroy() {
      leftOut?.over.abort();
      await Promise.allSettled([pool.destroy(), streams.destroy(), probes.destroy()]);
    },
  };
}

/** A stream that is read, and locked, only when there is a connection: until then another address may have it. */
function readLater(stream: ReadableStream<Uint8Array>): Readable {
  async function* chunks() {
    // Never released: by its lock others see that the stream was begun.
    const reader = stream.getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}
