import { Readable } from 'node:stream';
import { Client, Pool } from 'undici';
import type { PeerLimits } from './limits.ts';
import type { PeerAnswer, PeerRequest } from './peer.ts';
import { failureOfRequest, TransportFailure } from './transport-failure.ts';

/** One process of a peer, at one address. */
export interface Link {
  readonly origin: string;
  /** Requests whose answer is not there, or not whole. */
  readonly inFlight: number;
  /** When it may be chosen again after failures, by `performance.now()`. */
  readonly ejectedUntil: number;
  /**
   * Sends the request and reads its answer. Rejects with a `TransportFailure` when there was none, or as `read` does;
   * at the deadline, and when `request.signal` aborts, with that reason.
   */
  send<T>(request: PeerRequest, read: (answer: PeerAnswer) => Promise<T>): Promise<T>;
  /** Whether its event loop turns. */
  lives(): Promise<boolean>;
  /** Leaves it out for a while that doubles from failure to failure. */
  eject(): void;
  /** Lets requests in flight end, up to a limit. */
  close(): Promise<void>;
}

/** A request that waits for its answer. */
interface Waiting {
  readonly since: number;
  readonly controller: AbortController;
}

/** The deadline of a request has passed. */
export class DeadlinePassed extends Error {}

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
    bodyTimeout: 0,
  });
  // Apart from the pool, whose connections may all be waiting.
  const probes = new Client(origin, {
    connect: { timeout: limits.connectTimeoutMs },
    headersTimeout: limits.probeTimeoutMs,
    bodyTimeout: limits.probeTimeoutMs,
  });
  const waiting = new Set<Waiting>();
  let failures = 0;
  let ejectedUntil = Number.NEGATIVE_INFINITY;
  let watch: NodeJS.Timeout | undefined;
  let probing = false;

  function eject(): void {
    // Requests that were lost together are one failure.
    if (performance.now() < ejectedUntil) return;
    const ms = Math.min(limits.ejectMs * 2 ** failures, limits.ejectMaxMs);
    failures += 1;
    ejectedUntil = performance.now() + ms;
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
    const alive = await lives();
    probing = false;
    if (alive) return;
    eject();
    for (const { controller } of waiting) {
      controller.abort(new TransportFailure('the process does not answer any more', { sent: true }));
    }
  }

  function enter(controller: AbortController): () => void {
    const entry = { since: performance.now(), controller };
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
    get ejectedUntil() {
      return ejectedUntil;
    },
    async send(request, read) {
      const controller = new AbortController();
      const leave = enter(controller);
      const giveUp = () => controller.abort(request.signal?.reason);
      request.signal?.addEventListener('abort', giveUp, { once: true });
      if (request.signal?.aborted) giveUp();
      const leftMs = Math.max(0, request.deadlineAt - performance.now());
      const timer = setTimeout(() => controller.abort(new DeadlinePassed()), leftMs);
      const end = () => {
        clearTimeout(timer);
        request.signal?.removeEventListener('abort', giveUp);
        leave();
      };
      let body: Readable | undefined;
      try {
        const answer = await pool.request({
          method: request.method as 'GET',
          path: request.path,
          headers: request.headers as Record<string, string | string[]>,
          body:
            request.body instanceof ReadableStream ? Readable.fromWeb(request.body as never) : request.body,
          signal: controller.signal,
        });
        body = answer.body;
        const result = await read({ status: answer.statusCode, headers: answer.headers, body });
        failures = 0;
        ejectedUntil = Number.NEGATIVE_INFINITY;
        return result;
      } catch (error) {
        // With an answer that did not break off, the fault is the reader's.
        const isTransport = body === undefined || body.errored !== null;
        body?.destroy();
        body = undefined;
        if (controller.signal.aborted) throw controller.signal.reason;
        throw isTransport ? failureOfRequest(error) : error;
      } finally {
        // An answer that is handed on unread is in flight until its end; its length has no deadline.
        if (body === undefined || body.destroyed || body.readableEnded) end();
        else {
          clearTimeout(timer);
          body.once('close', end);
        }
      }
    },
    lives,
    eject,
    async close() {
      const closing = Promise.all([pool.close(), probes.close()]).then(() => undefined);
      const cut = setTimeout(() => void Promise.all([pool.destroy(), probes.destroy()]), limits.closeMs);
      await closing.catch(() => undefined).finally(() => clearTimeout(cut));
    },
  };
}
