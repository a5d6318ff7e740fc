import type { Readable } from 'node:stream';
import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  IsolatedCircuitError,
} from 'cockatiel';
import { backoffMs, sleep } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { NOT_HOSTED, PEER_HEADER } from '../rpc/call-headers.ts';
import type { Logger } from '../telemetry/log.ts';
import type { PeerLimits } from './limits.ts';
import type { Links } from './links.ts';
import { TransportFailure } from './transport-failure.ts';

/** A request to a module that runs elsewhere. */
export interface PeerRequest {
  readonly method: string;
  /** From the root, with its query, sent as it is. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Whether it is sent by HTTP/2, as gRPC wants; HTTP/1.1 unless given. */
  readonly http2?: boolean;
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array> | null;
  /** By `performance.now()`; nothing outlives it but an answer's body that is read as a stream. */
  readonly deadlineAt: number;
  /** Whether it may be sent again though nobody knows whether it was worked on. */
  readonly repeatable: boolean;
  /** Aborts when whoever asked has gone. */
  readonly signal?: AbortSignal;
}

export interface PeerAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
  /** Filled when the body has ended. */
  readonly trailers?: Readonly<Record<string, string | string[] | undefined>>;
}

export type PeerProtocol = 'http' | 'grpc';

/** A module in other processes. */
export interface Peer {
  readonly module: string;
  /** How its calls travel, `http` unless given; requests that are passed on to it are plain HTTP in any case. */
  readonly protocol?: PeerProtocol;
  /**
   * Sends a request to one of the module's processes, and gives what `read` makes of the answer; any status is an
   * answer. One that got none is sent again, elsewhere if possible, when nothing was sent or it is `repeatable`.
   *
   * Fails with `peer_unavailable` when no process answered, at once while the module is known to be down; with
   * `timeout` at the deadline; and with `overloaded` when too many requests wait. All are `unavailable`. What `read`
   * throws comes through as it is, and is no reason to ask again.
   */
  send<T>(request: PeerRequest, read: (answer: PeerAnswer) => Promise<T>): Promise<T>;
  readonly state: 'up' | 'down';
}

type Read<T> = (answer: PeerAnswer) => Promise<T>;

/** The deadline of a request has passed, which had so much time when it came here. */
class DeadlinePassed extends Error {
  readonly waitedMs: number;

  constructor(waitedMs: number) {
    super('the deadline has passed');
    this.waitedMs = waitedMs;
  }
}

/** What happens on the way to a peer, for metrics. */
export interface PeerEvents {
  inFlight(change: 1 | -1): void;
  retried(): void;
  state(state: Peer['state']): void;
}

export function createPeer(options: {
  module: string;
  protocol: PeerProtocol;
  links: Links;
  limits: PeerLimits;
  log: Logger;
  events: PeerEvents;
}): Peer & { close(): void } {
  const { module, protocol, links, limits, log, events } = options;
  const room = bulkhead(limits.inFlight, limits.queue);
  const breaker = circuitBreaker(handleWhen(isItsFault), {
    // Never by time, which goes by the wall clock there: `watchReturn` closes it.
    halfOpenAfter: Number.MAX_SAFE_INTEGER,
    breaker: new ConsecutiveBreaker(limits.failures),
  });
  const closing = new AbortController();
  let isDown = false;

  breaker.onBreak((reason) => {
    if (!isDown && !('isolated' in reason)) void watchReturn();
  });

  function isItsFault(error: unknown): boolean {
    // Whoever asked with little time left says nothing about a module that did not answer in it.
    if (error instanceof DeadlinePassed) return error.waitedMs >= limits.stallMs;
    // While there is a process that is not left out, another one's failure is no reason to keep requests from it.
    return error instanceof TransportFailure && !links.someHealthy;
  }

  /** Keeps requests away from a module that is down, and asks its processes until one lives. No request has to try. */
  async function watchReturn(): Promise<void> {
    isDown = true;
    const held = breaker.isolate();
    log.warn({ peer: module }, 'a module in another process is down');
    events.state('down');
    // At once, as a process may have come back that nobody has asked since.
    while (!closing.signal.aborted && !(await links.anyLives())) {
      await sleep(limits.probeEveryMs, closing.signal);
    }
    if (closing.signal.aborted) return;
    isDown = false;
    held.dispose();
    log.info({ peer: module }, 'a module in another process is back');
    events.state('up');
  }

  async function attempt<T>(request: PeerRequest, signal: AbortSignal, read: Read<T>): Promise<T> {
    const link = await links.choose();
    try {
      return await link.send(request, signal, async (answer) => {
        if (answer.headers[PEER_HEADER] !== NOT_HOSTED) return await read(answer);
        await drop(answer.body);
        throw new TransportFailure('the module does not run there', { sent: false });
      });
    } catch (error) {
      if (error instanceof TransportFailure) links.failed(link, error);
      throw error;
    }
  }

  async function tries<T>(request: PeerRequest, signal: AbortSignal, read: Read<T>): Promise<T> {
    for (let number = 1; ; number += 1) {
      signal.throwIfAborted();
      try {
        return await breaker.execute(() => attempt(request, signal, read));
      } catch (error) {
        const mayRepeat =
          error instanceof TransportFailure && isUnread(request) && (!error.sent || request.repeatable);
        const waitMs = backoffMs(number - 1, limits.retryMs, limits.retryMaxMs);
        const inTime = performance.now() + waitMs < request.deadlineAt;
        if (!mayRepeat || !inTime || number >= limits.tries || signal.aborted) throw error;
        events.retried();
        await sleep(waitMs, signal);
      }
    }
  }

  return {
    module,
    protocol,
    get state() {
      return isDown ? 'down' : 'up';
    },
    async send(request, read) {
      events.inFlight(1);
      try {
        return await whileWanted(request, (signal) =>
          room.execute(() => tries(request, signal, read), signal),
        );
      } catch (error) {
        throw explain(error, request);
      } finally {
        events.inFlight(-1);
      }
    },
    close() {
      closing.abort();
    },
  };
}

/**
 * Settles as `work` does, but no later than the deadline or the caller's leave, wherever the request waits then: for
 * room, a name, a connection or its answer. What `signal` is good for then goes on for an answer handed on unread.
 */
async function whileWanted<T>(request: PeerRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const leftMs = request.deadlineAt - performance.now();
  if (leftMs <= 0) throw new DeadlinePassed(0);
  request.signal?.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DeadlinePassed(leftMs)), leftMs);
  const signal = request.signal ? AbortSignal.any([request.signal, late.signal]) : late.signal;
  const { promise: unwanted, reject } = Promise.withResolvers<never>();
  const end = () => reject(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([work(signal), unwanted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

/** A stream that was begun to be read is gone for a second try. */
function isUnread({ body }: PeerRequest): boolean {
  return !(body instanceof ReadableStream) || !body.locked;
}

async function drop(body: Readable): Promise<void> {
  for await (const _ of body);
}

/** The failure as callers and clients see it: no address, no words of the network. */
function explain(error: unknown, request: PeerRequest): unknown {
  const unavailable = (code: string, message: string, retryAfterSeconds?: number) =>
    new AppError('unavailable', code, message, { retryAfterSeconds, cause: error });
  if (error instanceof DeadlinePassed)
    return unavailable('timeout', 'a part of the shop did not answer in time');
  if (error instanceof BulkheadRejectedError) {
    return unavailable('overloaded', 'too many requests wait for a part of the shop', 1);
  }
  if (error instanceof TransportFailure || isBroken(error)) {
    return unavailable('peer_unavailable', 'a part of the shop can not be reached at the moment', 1);
  }
  if (error === request.signal?.reason && request.signal?.aborted) {
    return unavailable('peer_unavailable', 'whoever asked did not wait for the answer');
  }
  return error;
}

function isBroken(error: unknown): boolean {
  return error instanceof IsolatedCircuitError || error instanceof BrokenCircuitError;
}
