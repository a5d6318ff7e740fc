import { Redis as Connection, type RedisOptions, ReplyError } from 'ioredis';
import { AppError } from '../errors.ts';
import {
  REDIS_CONNECT_TIMEOUT_MS,
  REDIS_KEEP_ALIVE_MS,
  REDIS_PING_MS,
  REDIS_RETRY_MAX_MS,
  REDIS_SILENCE_MS,
  REDIS_TIMEOUT_MS,
} from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { type Attributes, span } from '../telemetry/trace.ts';

/**
 * The process's link to Redis. Redis only carries: whoever uses it has another way while it is away, and learns
 * at once that it is.
 */
export interface Redis {
  /** Whether the last that was heard of Redis is an answer in time. */
  readonly available: boolean;
  /**
   * Runs `work` on the shared connection. Rejects with `redis_away` (unavailable: the command may have run or
   * not) when Redis does not answer within REDIS_TIMEOUT_MS, and from then on at once, without touching the
   * socket, until it has answered a ping. An error that Redis itself answers is passed on and closes nothing.
   * `operation` names it in traces, as `PUBLISH` does.
   */
  ask<T>(work: (connection: Connection) => Promise<T>, operation?: string): Promise<T>;
  /**
   * A connection of its own to the same Redis, for whoever blocks or subscribes on it. It connects for ever and
   * by itself; `close` ends it, and its duplicates.
   */
  connect(options?: RedisOptions): Connection;
  /** Calls `listener` each time Redis becomes available, the first time too. It must not throw. */
  onBack(listener: () => void): void;
  /** Ends all connections at once; what is under way on them fails. */
  close(): void;
}

/** Connects in the background: this neither waits nor fails, whatever is or is not at `url`. */
export function createRedis(url: string, log: Logger): Redis {
  const connections: Connection[] = [];
  const listeners: (() => void)[] = [];
  let state: 'unknown' | 'available' | 'away' | 'closed' = 'unknown';

  function connect(options: RedisOptions = {}): Connection {
    return keep(
      new Connection(url, {
        connectTimeout: REDIS_CONNECT_TIMEOUT_MS,
        keepAlive: REDIS_KEEP_ALIVE_MS,
        retryStrategy: (attempt) => Math.min(100 * attempt, REDIS_RETRY_MAX_MS),
        ...options,
      }),
    );
  }

  function keep(connection: Connection): Connection {
    // An error event without a listener would be printed at each try; the shared connection reports outages.
    connection.on('error', () => undefined);
    connections.push(connection);
    // BullMQ blocks on one of its own, which while Redis is away would dial for ever and keep the process.
    const { duplicate } = connection;
    connection.duplicate = (options) => keep(duplicate.call(connection, options));
    return connection;
  }

  const shared = connect({
    enableOfflineQueue: false,
    commandTimeout: REDIS_TIMEOUT_MS,
    socketTimeout: REDIS_SILENCE_MS,
    // A command whose connection breaks fails right then, and is not sent again: it may have been counted.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  });
  shared.on('error', lose);
  shared.on('close', () => lose(new Error('the connection was closed')));
  shared.on('ready', probe);
  const pings = setInterval(probe, REDIS_PING_MS);
  pings.unref();

  function probe(): void {
    if (shared.status !== 'ready') return;
    shared.ping().then(find, lose);
  }

  function find(): void {
    if (state === 'available' || state === 'closed') return;
    if (state === 'away') log.info('Redis answers again');
    state = 'available';
    for (const listener of listeners) listener();
  }

  // Of an error only the message is told: what else it carries may hold the password of a failed login.
  function lose(error: unknown): void {
    if (state === 'away' || state === 'closed') return;
    state = 'away';
    log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'Redis is away');
  }

  return {
    get available() {
      return state === 'available';
    },
    async ask(work, operation = 'redis') {
      if (state !== 'available') throw redisAway();
      try {
        return await span(operation, { kind: 'client', attributes: attributesOf(operation) }, () =>
          work(shared),
        );
      } catch (error) {
        if (error instanceof ReplyError) throw error;
        lose(error);
        throw redisAway(error);
      }
    },
    connect,
    onBack(listener) {
      listeners.push(listener);
    },
    close() {
      state = 'closed';
      clearInterval(pings);
      for (const connection of connections) connection.disconnect();
    },
  };
}

function attributesOf(operation: string): Attributes {
  return { 'db.system.name': 'redis', 'db.operation.name': operation };
}

/** The failure of whatever needs Redis while it is away; what was sent before may have been done. */
export function redisAway(cause?: unknown): AppError {
  return new AppError('unavailable', 'redis_away', 'Redis does not answer', { cause });
}
