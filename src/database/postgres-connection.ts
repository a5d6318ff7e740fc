import { connect, type Socket } from 'node:net';
import postgres from 'postgres';
import { AppError } from '../errors.ts';
import { CONNECTION_LIFE_MS, SESSION_STATEMENTS } from '../limits.ts';
import { DEADLINES, type Deadlines } from './postgres-deadlines.ts';
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

export interface ConnectionOptions {
  readonly deadlines?: Deadlines;
  /** Called once when the session ends; `wasSilent` when the server missed a deadline of ours. */
  readonly onEnd?: (wasSilent: boolean) => void;
}

/** One session. Once it has ended every statement on it is refused: it never comes back as another session. */
export interface PostgresConnection {
  /** False as soon as the session has ended, for whatever reason. */
  readonly usable: boolean;
  /** True when it is better renewed: it is old, or holds many prepared statements. */
  readonly worn: boolean;
  /**
   * Whether the session refuses writes outside of a transaction. Then statements may follow their `begin read write`
   * before it is answered: should it alone fail, as when an operator cancels it, Postgres refuses those that write,
   * where it would otherwise do each by itself.
   */
  readonly isGuarded: boolean;
  /**
   * Guards the session, or no longer does so. Behind a pooler it does nothing: the setting would stay with a session
   * that is another's next. When it fails the session is cut off.
   */
  setGuarded(guarded: boolean): Promise<void>;
  /** Runs one statement, prepared once per session. */
  readonly query: RunStatement;
  /** Runs a script of statements; with `timeoutMs` instead of the deadline of queries. Returns the last one's command. */
  exec(script: string, timeoutMs?: number): Promise<string>;
  /** Ends the session in order. Never rejects. */
  close(): Promise<void>;
  /** Cuts the session off; what is under way on it is rejected, and tells the cause. */
  destroy(cause?: unknown): void;
}

/** The driver with our patch; `patches/` says what it mends. */
const PATCH = 2;

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
 * lost outside of any transaction. So a session that is lost, or whose statement misses its deadline, ends here,
 * and everything under way on it is rejected here: the driver forgets some of what it had still to send.
 */
export function openConnection(login: PostgresLogin, options: ConnectionOptions = {}): PostgresConnection {
  const { deadlines = DEADLINES, onEnd } = options;
  const openedAt = performance.now();
  const underWay = new Set<UnderWay>();
  const texts = new Set<string>();
  let socket: Socket | undefined;
  let usable = true;
  let isGreeted = false;
  let isGuarded = false;
  let timer: NodeJS.Timeout | undefined;
  let timerDueAt = Number.POSITIVE_INFINITY;

  function end(cause: unknown, wasSilent = false): void {
    if (!usable) return;
    usable = false;
    socket?.destroy();
    clearTimeout(timer);
    const failure = databaseUnavailable(cause);
    for (const { reject } of underWay) reject(failure);
    underWay.clear();
    onEnd?.(wasSilent);
  }

  const sql = postgres(login.url, {
    ...(login.user === undefined ? {} : { user: login.user, password: login.password ?? '' }),
    max: 1,
    prepare: login.prepare,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: deadlines.connectMs / 1000,
    connection: { application_name: login.applicationName },
    types: wireTypes as unknown as Record<string, postgres.PostgresType>,
    onnotice: () => undefined,
    onparameter() {
      isGreeted = true;
    },
    onclose: () => end(sessionLost()),
    async socket(target: Target) {
      // A server that hangs up while it greets us makes the driver dial again, unasked.
      if (socket !== undefined) end(sessionLost());
      if (!usable) throw sessionLost();
      socket = await dial(target, deadlines.connectMs);
      if (!usable) socket.destroy();
      return socket;
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>);

  /**
   * Settles as `work` does, or when the session ends, which it does at the deadline: nobody can use a later answer.
   * One timer serves all: most statements are answered long before it, so it is set anew only when it has run out.
   */
  function bounded<T>(work: PromiseLike<T>, timeoutMs: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const statement: UnderWay = { dueAt: performance.now() + timeoutMs, timeoutMs, reject };
      underWay.add(statement);
      if (statement.dueAt < timerDueAt) wakeAt(statement.dueAt);
      work.then(
        (value) => {
          underWay.delete(statement);
          resolve(value);
        },
        (error: unknown) => {
          underWay.delete(statement);
          // What fails before the server's greeting is the way to it, whatever the system or TLS calls it.
          const isLost = !isGreeted || endsSession(error);
          // First, or the end of the session would reject it with less than is known.
          reject(isLost ? databaseUnavailable(error) : postgresFailure(error));
          if (isLost) end(error);
        },
      );
    });
  }

  function wakeAt(dueAt: number): void {
    clearTimeout(timer);
    timerDueAt = dueAt;
    // What keeps the process is the socket.
    timer = setTimeout(endWhenMissed, dueAt - performance.now()).unref();
  }

  function endWhenMissed(): void {
    timerDueAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let nextDueAt = Number.POSITIVE_INFINITY;
    for (const { dueAt, timeoutMs } of underWay) {
      if (dueAt <= now) {
        end(missed(timeoutMs), true);
        return;
      }
      nextDueAt = Math.min(nextDueAt, dueAt);
    }
    if (underWay.size > 0) wakeAt(nextDueAt);
  }

  async function exec(script: string, timeoutMs = deadlines.queryMs): Promise<string> {
    if (!usable) throw databaseUnavailable(sessionLost());
    const result: unknown = await bounded(sql.unsafe(script).simple(), timeoutMs);
    // Several statements give a plain list of results.
    const last = Array.isArray(result) && !('command' in result) ? result.at(-1) : result;
    return (last as { command: string }).command;
  }

  return {
    get usable() {
      return usable;
    },
    get worn() {
      return texts.size > SESSION_STATEMENTS || performance.now() - openedAt > CONNECTION_LIFE_MS;
    },
    async query<Row>(text: string, params: readonly unknown[] = [], { rowMode }: StatementOptions = {}) {
      if (!usable) throw databaseUnavailable(sessionLost());
      if (login.prepare) texts.add(text);
      // A statement without parameters would otherwise go unprepared.
      const how = { prepare: login.prepare, simple: false } as never;
      const query = sql.unsafe(text, params.map(toText) as never[], how);
      const result = await bounded(rowMode === 'array' ? query.values() : query, deadlines.queryMs);
      return {
        rows: [...result] as Row[],
        affectedRows: result.count ?? 0,
        command: result.command,
      } satisfies StatementResult<Row>;
    },
    exec,
    get isGuarded() {
      return isGuarded;
    },
    async setGuarded(guarded) {
      if (!login.prepare) return;
      // Until it is known to be guarded, or told not to be, it counts as not guarded.
      isGuarded = false;
      try {
        await exec(`set session characteristics as transaction read ${guarded ? 'only' : 'write'}`);
      } catch (error) {
        end(error);
        throw error;
      }
      isGuarded = guarded;
    },
    async close() {
      if (!usable) return;
      await sql.end({ timeout: deadlines.rollbackMs / 1000 }).catch(() => undefined);
      end(sessionLost());
    },
    destroy: (cause = sessionLost()) => end(cause),
  };
}

/** A statement that was sent and has no answer yet. */
interface UnderWay {
  /** On the clock of `performance.now()`. */
  readonly dueAt: number;
  readonly timeoutMs: number;
  reject(error: unknown): void;
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

function missed(timeoutMs: number): Error {
  return new Error(`the database did not answer within ${timeoutMs} ms`);
}

interface Target {
  readonly host: string[];
  readonly port: number[];
  readonly path: string | false;
}

/** Connects to the first of the URL's hosts that answers. */
async function dial(target: Target, timeoutMs: number): Promise<Socket> {
  const addresses = target.path
    ? [{ path: target.path }]
    : target.host.map((host, index) => ({ host, port: Number(target.port[index] ?? target.port[0]) }));
  let failure: unknown;
  for (const address of addresses) {
    const socket = connect({ ...address, noDelay: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => socket.destroy(timedOut()), timeoutMs);
    socket.once('connect', resolve);
    socket.once('error', reject);
    try {
      await promise;
      gatherWrites(socket);
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

/** What the driver has to send by then goes at once, and less at the end of the event loop's turn. */
const DRIVER_GATHERS_BYTES = 1_024;

/**
 * Sends all that the driver writes in one turn of the event loop by one system call. By itself it does so only for
 * statements that are short together.
 */
function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (chunk: Uint8Array, ...rest: unknown[]) => boolean;
  socket.write = (chunk: Uint8Array | string, ...rest: unknown[]) => {
    if (chunk.length >= DRIVER_GATHERS_BYTES && socket.writableCorked === 0) {
      socket.cork();
      // After what the driver puts off in this turn, which it may do only behind this write.
      process.nextTick(() => setImmediate(() => socket.uncork()));
    }
    return write(chunk as Uint8Array, ...rest);
  };
}

function timedOut(): Error {
  return Object.assign(new Error('the database could not be reached in time'), { code: 'ETIMEDOUT' });
}
