import { connect, type Socket } from 'node:net';
import postgres from 'postgres';
import { withDeadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { CONNECT_TIMEOUT_MS, QUERY_DEADLINE_MS, ROLLBACK_DEADLINE_MS } from '../limits.ts';
import { databaseUnavailable, endsSession, postgresFailure } from './postgres-errors.ts';
import {
  parsers,
  type RunStatement,
  type StatementOptions,
  type StatementResult,
  toText,
} from './statement.ts';

/** Who logs in where. */
export interface PostgresLogin {
  /** As `postgres://user:password@host:5432/database?sslmode=require`. */
  readonly url: string;
  /** Replace the URL's own user and password. */
  readonly user?: string;
  readonly password?: string;
  /** False behind a pooler that gives each transaction another session. */
  readonly prepare: boolean;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
}

/** One session. Once it is lost every statement on it is refused: it never comes back as another session. */
export interface PostgresConnection {
  /** False as soon as the session has ended, for whatever reason. */
  readonly usable: boolean;
  readonly openedAt: number;
  /** Runs one statement, prepared once per session. */
  readonly query: RunStatement;
  /** Runs a script of statements; with `timeoutMs` instead of QUERY_DEADLINE_MS. Returns the last one's command tag. */
  exec(script: string, timeoutMs?: number): Promise<string>;
  /** Ends the session in order. */
  close(): Promise<void>;
  /** Cuts the session off; what is under way on it is rejected. */
  destroy(): void;
}

/** The driver with our patch; `patches/` says what it mends. */
const PATCH = 1;

/**
 * Throws when the driver was installed without its patch, as `npm ci --ignore-scripts` does: unpatched, a lost
 * connection ends the process, or leaves promises without an end.
 */
export function requirePatchedDriver(driver: unknown = postgres): void {
  if ((driver as { banyanPatch?: unknown }).banyanPatch === PATCH) return;
  throw new AppError(
    'unavailable',
    'driver_unpatched',
    'the Postgres driver lacks its patch: run `npx patch-package` (npm ci without --ignore-scripts does)',
  );
}

/**
 * Prepares one session; it is dialled by its first statement. The driver is given one connection and its socket
 * is ours, because its own pool dials again by itself, and would run the rest of a transaction whose session was
 * lost outside of any transaction. So a session that is lost, or whose statement misses its deadline, ends here.
 */
export function openConnection(login: PostgresLogin, onLost: () => void = () => {}): PostgresConnection {
  let socket: Socket | undefined;
  let usable = true;

  function lose(): void {
    if (!usable) return;
    usable = false;
    socket?.destroy();
    onLost();
  }

  const sql = postgres(login.url, {
    ...(login.user === undefined ? {} : { user: login.user, password: login.password ?? '' }),
    max: 1,
    prepare: login.prepare,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: CONNECT_TIMEOUT_MS / 1000,
    connection: { application_name: login.applicationName },
    types: wireTypes as unknown as Record<string, postgres.PostgresType>,
    onnotice: () => undefined,
    onclose: lose,
    async socket(options: { host: string[]; port: number[]; path: string | false }) {
      // A server that hangs up while it greets us makes the driver dial again, unasked.
      if (socket !== undefined) lose();
      if (!usable) throw sessionLost();
      socket = await dial(options);
      if (!usable) socket.destroy();
      return socket;
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>);

  /** Ends with `work`, or cuts the session off at the deadline: what it would answer later, nobody can use. */
  async function bounded<T>(work: PromiseLike<T>, timeoutMs: number): Promise<T> {
    try {
      return await withDeadline(Promise.resolve(work), timeoutMs, 'the database');
    } catch (error) {
      // An AppError is the deadline's.
      if (error instanceof AppError || endsSession(error)) lose();
      throw error instanceof AppError ? databaseUnavailable(error) : postgresFailure(error);
    }
  }

  return {
    get usable() {
      return usable;
    },
    openedAt: performance.now(),
    async query<Row>(text: string, params: readonly unknown[] = [], options: StatementOptions = {}) {
      if (!usable) throw databaseUnavailable(sessionLost());
      const query = sql.unsafe(
        text,
        params.map(toText) as never[],
        {
          prepare: login.prepare,
          // A statement without parameters would otherwise go unprepared.
          simple: false,
        } as never,
      );
      const result = await bounded(
        options.rowMode === 'array' ? query.values() : query.execute(),
        QUERY_DEADLINE_MS,
      );
      return { rows: [...result] as Row[], affectedRows: result.count ?? 0 } satisfies StatementResult<Row>;
    },
    async exec(script, timeoutMs = QUERY_DEADLINE_MS) {
      if (!usable) throw databaseUnavailable(sessionLost());
      const result = await bounded(sql.unsafe(script).simple(), timeoutMs);
      return (result as unknown as { command: string }).command;
    },
    async close() {
      if (!usable) return;
      const ended = sql.end({ timeout: ROLLBACK_DEADLINE_MS / 1000 }).catch(() => undefined);
      await ended;
      lose();
    },
    destroy: lose,
  };
}

/** Parameters come as text already, and results are read in the forms that `Queryable.rows` promises. */
const asIs = (text: string) => text;
const wireTypes = Object.fromEntries(
  [16, 17, 20, 21, 23, 26, 114, 700, 701, 1082, 1114, 1184, 3802].map((type) => [
    `type${type}`,
    { to: type, from: [type], serialize: asIs, parse: parsers[type] ?? asIs },
  ]),
);

function sessionLost(): Error {
  return Object.assign(new Error('the session was lost'), { code: 'CONNECTION_CLOSED' });
}

/** Connects to the first of the URL's hosts that answers. */
async function dial(options: { host: string[]; port: number[]; path: string | false }): Promise<Socket> {
  const addresses = options.path
    ? [{ path: options.path }]
    : options.host.map((host, index) => ({ host, port: Number(options.port[index] ?? options.port[0]) }));
  let failure: unknown;
  for (const address of addresses) {
    const socket = connect({ ...address, noDelay: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => socket.destroy(timedOut()), CONNECT_TIMEOUT_MS);
    socket.once('connect', resolve);
    socket.once('error', reject);
    try {
      await promise;
      // The driver reads the name of the certificate it expects from here.
      return Object.assign(socket, 'host' in address ? { host: address.host } : {});
    } catch (error) {
      failure = error;
      socket.destroy();
    } finally {
      clearTimeout(late);
      socket.off('error', reject);
    }
  }
  throw failure;
}

function timedOut(): Error {
  return Object.assign(new Error('the database could not be reached in time'), { code: 'ETIMEDOUT' });
}
