import { withDeadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { POOL_QUEUE } from '../limits.ts';
import { openConnection, type PostgresConnection, type PostgresLogin } from './postgres-connection.ts';
import { DEADLINES } from './postgres-deadlines.ts';
import { databaseUnavailable } from './postgres-errors.ts';

export interface PoolState {
  /** Connections at most. */
  readonly max: number;
  /** Connections in use now. */
  readonly busy: number;
  readonly idle: number;
  /** Callers waiting for a connection. */
  readonly waiting: number;
  /** Callers that were done with their connection, since the start. */
  readonly served: number;
  /** Callers that got none, since the start. */
  readonly refused: number;
}

export interface PostgresPool {
  /**
   * Runs `work` alone on one connection. Fails with `database_busy` (unavailable) when too many wait or the wait
   * is too long, and with `database_unavailable` while there is no server. Whether it is guarded is a wish: one that
   * is so already has nothing to be told first.
   */
  use<T>(
    wish: { readonly guarded: boolean },
    work: (connection: PostgresConnection) => Promise<T>,
  ): Promise<T>;
  state(): PoolState;
  /** Refuses new work, lets what is under way end for POOL_CLOSE_MS at most, and closes the connections. */
  close(): Promise<void>;
}

/**
 * A bounded pool of sessions, each dialled when it is first needed and thrown away as soon as it is lost: so after
 * a restart of the server the next statement dials anew, and no repair is needed. Connections last used are used
 * first, so that those not needed grow old.
 */
export function createPostgresPool(login: PostgresLogin, max: number, deadlines = DEADLINES): PostgresPool {
  const idle: PostgresConnection[] = [];
  const inUse = new Set<PostgresConnection>();
  const waiters: Waiter[] = [];
  let busy = 0;
  let served = 0;
  let refused = 0;
  let state: 'open' | 'closing' | 'closed' = 'open';
  let closed: Promise<void> | undefined;
  const drained = Promise.withResolvers<void>();

  function take(guarded: boolean): PostgresConnection {
    // Whoever waited while the pool was cut off must not dial anew.
    if (state === 'closed') throw poolClosed();
    while (idle.length > 0) {
      let place = idle.findLastIndex(({ isGuarded }) => isGuarded === guarded);
      if (place < 0) {
        // Another session, while there may be one, or a lone caller would have the same one changed at every turn.
        if (idle.length + inUse.size < max) break;
        place = idle.length - 1;
      }
      const [connection] = idle.splice(place, 1) as [PostgresConnection];
      if (connection.usable && !connection.worn) return connection;
      void connection.close();
    }
    const fresh: PostgresConnection = openConnection(login, {
      deadlines,
      onEnd(wasSilent) {
        const place = idle.indexOf(fresh);
        if (place >= 0) idle.splice(place, 1);
        // Behind a silent server, or a path that swallows packets, the idle ones would each cost a caller a deadline.
        if (wasSilent) for (const connection of idle.splice(0)) connection.destroy();
      },
    });
    return fresh;
  }

  async function permit(): Promise<void> {
    if (state !== 'open') throw poolClosed();
    if (busy < max) {
      busy += 1;
      return;
    }
    if (waiters.length >= POOL_QUEUE) throw refuse();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { resolve, reject, timer: setTimeout(() => giveUp(waiter), deadlines.waitMs) };
    waiters.push(waiter);
    await promise;
  }

  function giveUp(waiter: Waiter): void {
    waiters.splice(waiters.indexOf(waiter), 1);
    waiter.reject(refuse());
  }

  function refuse(): AppError {
    refused += 1;
    return databaseBusy();
  }

  /** Hands the permit on, or takes it back. */
  function release(): void {
    served += 1;
    const next = waiters.shift();
    if (next) {
      clearTimeout(next.timer);
      next.resolve();
      return;
    }
    busy -= 1;
    if (busy === 0 && state !== 'open') drained.resolve();
  }

  function putBack(connection: PostgresConnection): void {
    inUse.delete(connection);
    if (!connection.usable) return;
    if (connection.worn) void connection.close();
    else idle.push(connection);
  }

  function cutOff(): void {
    for (const { timer, reject } of waiters.splice(0)) {
      clearTimeout(timer);
      reject(poolClosed());
    }
    for (const connection of [...inUse]) connection.destroy();
  }

  async function shut(): Promise<void> {
    state = 'closing';
    if (busy === 0) drained.resolve();
    await withDeadline(drained.promise, deadlines.closeMs, 'the database pool').catch(cutOff);
    state = 'closed';
    await Promise.all(idle.splice(0).map((connection) => connection.close()));
  }

  return {
    async use({ guarded }, work) {
      await permit();
      try {
        const connection = take(guarded);
        inUse.add(connection);
        try {
          return await work(connection);
        } finally {
          putBack(connection);
        }
      } finally {
        release();
      }
    },
    state: () => ({ max, busy, idle: idle.length, waiting: waiters.length, served, refused }),
    close() {
      closed ??= shut();
      return closed;
    },
  };
}

interface Waiter {
  resolve(): void;
  reject(error: AppError): void;
  readonly timer: NodeJS.Timeout;
}

function databaseBusy(): AppError {
  return new AppError('unavailable', 'database_busy', 'the database has too much to do', {
    retryAfterSeconds: 1,
  });
}

function poolClosed(): AppError {
  return databaseUnavailable(new Error('the pool is closed'));
}
