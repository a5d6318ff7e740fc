import { AppError } from '../errors.ts';
import { CONNECTION_LIFE_MS, POOL_QUEUE, POOL_WAIT_MS } from '../limits.ts';
import { openConnection, type PostgresConnection, type PostgresLogin } from './postgres-connection.ts';
import { databaseUnavailable } from './postgres-errors.ts';

export interface PoolState {
  /** Connections at most. */
  readonly max: number;
  /** Connections in use now. */
  readonly busy: number;
  readonly idle: number;
  /** Callers waiting for a connection. */
  readonly waiting: number;
}

export interface PostgresPool {
  /**
   * Runs `work` alone on one connection. Fails with `database_busy` (unavailable) when too many wait or the wait
   * is too long, and with `database_unavailable` while there is no server.
   */
  use<T>(work: (connection: PostgresConnection) => Promise<T>): Promise<T>;
  state(): PoolState;
  /** Refuses new work, lets what is under way end, and closes the connections. */
  close(): Promise<void>;
}

/**
 * A bounded pool of sessions, each dialled when it is first needed and thrown away as soon as it is lost: so after
 * a restart of the server the next statement dials anew, and no repair is needed. Connections last used are used
 * first, so that those not needed grow old.
 */
export function createPostgresPool(login: PostgresLogin, max: number): PostgresPool {
  const idle: PostgresConnection[] = [];
  const waiters: Waiter[] = [];
  let busy = 0;
  let closing = false;
  let drained: (() => void) | undefined;

  function takeIdle(): PostgresConnection {
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (connection.usable) return connection;
    }
    const fresh: PostgresConnection = openConnection(login, () => {
      const place = idle.indexOf(fresh);
      if (place >= 0) idle.splice(place, 1);
    });
    return fresh;
  }

  async function permit(): Promise<void> {
    if (closing) throw databaseUnavailable(new Error('the pool is closed'));
    if (busy < max) {
      busy += 1;
      return;
    }
    if (waiters.length >= POOL_QUEUE) throw databaseBusy();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { resolve, reject, timer: setTimeout(() => giveUp(waiter), POOL_WAIT_MS) };
    waiters.push(waiter);
    await promise;
  }

  function giveUp(waiter: Waiter): void {
    waiters.splice(waiters.indexOf(waiter), 1);
    waiter.reject(databaseBusy());
  }

  /** Hands the permit on, or takes it back. */
  function release(connection: PostgresConnection): void {
    const isOld = performance.now() - connection.openedAt > CONNECTION_LIFE_MS;
    if (isOld || closing) void connection.close();
    else if (connection.usable) idle.push(connection);
    const next = waiters.shift();
    if (next) {
      clearTimeout(next.timer);
      next.resolve();
      return;
    }
    busy -= 1;
    if (busy === 0) drained?.();
  }

  return {
    async use(work) {
      await permit();
      const connection = takeIdle();
      try {
        return await work(connection);
      } finally {
        release(connection);
      }
    },
    state: () => ({ max, busy, idle: idle.length, waiting: waiters.length }),
    async close() {
      closing = true;
      if (busy > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        drained = resolve;
        await promise;
      }
      await Promise.all(idle.splice(0).map((connection) => connection.close()));
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
