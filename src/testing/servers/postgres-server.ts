import { readFileSync, rmSync } from 'node:fs';
import { realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endWithProcess } from './end-with-process.ts';
import { faketimeEnv } from './faketime.ts';
import { findFreePort } from './free-port.ts';
import { findPostgres, type PostgresSource } from './postgres-binaries.ts';
import { makeCluster } from './postgres-cluster.ts';
import { createServerFolder } from './server-folder.ts';
import { createServerProcess, type ServerProcess } from './server-process.ts';
import { giveTo, unprivilegedUser } from './unprivileged-user.ts';

export interface PostgresOptions {
  /** A free one unless given. It stays the same over restarts. */
  readonly port?: number;
  /**
   * Where the data lies, in the server's own folder unless given. It must not exist, its parent must be open to the
   * user the server runs as, and `stop` removes it.
   */
  readonly dataDir?: string;
  /** False trades every flush for speed: a crash of the server then loses or breaks data. True unless given. */
  readonly durable?: boolean;
  /** More settings for postgresql.conf, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Runs the server under libfaketime with this offset, as `+1d` or `-3600`; `moveClock` changes it. */
  readonly faketime?: string;
  /** Only binaries from there; the system's first, then npm's, unless given. */
  readonly source?: PostgresSource;
}

/** A Postgres of our own, for one test run. Its superuser is `banyan`. */
export interface PostgresServer {
  /** The superuser's, of the database `postgres`; other databases are reached by another path. */
  readonly url: string;
  readonly port: number;
  /** Holds `server.log` and the socket, and the data unless `dataDir` was given. */
  readonly folder: string;
  readonly dataDir: string;
  /** The postmaster's process id; undefined while it is down. */
  readonly pid: number | undefined;
  /** As `15.18`. */
  readonly version: string;
  /** Resolves when it takes connections, after any recovery. Rejects when it does not within 30 s, or already runs. */
  start(): Promise<void>;
  /** Stops it as `pg_ctl -m <mode> restart` does, and starts it on the same data and port. */
  restart(mode: 'immediate' | 'fast'): Promise<void>;
  /**
   * Sends the postmaster a signal. With SIGKILL (to its sessions too), SIGQUIT, SIGINT and SIGTERM it resolves when
   * all are gone.
   */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Moves the clock of a server started with `faketime`: an offset from the true time, as `+25h`. */
  moveClock(offset: string): Promise<void>;
  /** Stops it for good and removes its folder. May be called again. */
  stop(): Promise<void>;
}

/** Postgres gives its sessions 5 s in an immediate shutdown before it kills them. */
const LAST_END_MS = 6_000;
const deadly: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGQUIT', 'SIGINT', 'SIGTERM'];

/**
 * Makes an empty cluster and starts it on 127.0.0.1. It ends with this process; what a killed process leaves behind
 * is removed by the next start of any test server. Takes about a second.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = await createServerFolder();
  const dataDir = options.dataDir ?? join(folder, 'data');
  const clockFile = join(folder, 'clock');
  let postmaster: ServerProcess | undefined;
  const release = endWithProcess(() => {
    if (postmaster?.pid !== undefined) endNow(dataDir, postmaster.pid);
    for (const path of [dataDir, folder]) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  });
  async function stop() {
    await postmaster?.end('SIGQUIT');
    release();
    // After SIGKILL its last sessions may still write, so that a folder is not empty at once.
    for (const path of [dataDir, folder]) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }

  try {
    const user = await unprivilegedUser();
    await giveTo(user, folder);
    const binaries = await findPostgres(folder, user, options.source);
    const port = options.port ?? (await findFreePort());
    const { durable = true, settings = {} } = options;
    const url = await makeCluster({ binaries, user, folder, dataDir, port, durable, settings });
    if (options.faketime !== undefined) await writeFile(clockFile, options.faketime);
    const server = createServerProcess({
      name: 'Postgres',
      command: join(binaries.bin, 'postgres'),
      args: ['-D', dataDir],
      env: options.faketime === undefined ? {} : await faketimeEnv(clockFile),
      user,
      folder,
      workingFolder: await realpath(dataDir),
      isReady: async (pid) => isReady(dataDir, pid),
      // Where its sessions were not killed with the postmaster they hold the shared memory until they notice.
      isWorthRetrying: (log) => /pre-existing shared memory block|lock file .* already exists/.test(log),
    });
    postmaster = server;
    await server.start();
    return {
      url,
      port,
      folder,
      dataDir,
      get pid() {
        return server.pid;
      },
      version: binaries.version,
      start: server.start,
      async restart(mode) {
        await server.end(mode === 'immediate' ? 'SIGQUIT' : 'SIGINT');
        await server.start();
      },
      async kill(signal) {
        if (deadly.includes(signal)) await server.end(signal);
        else server.signal(signal);
      },
      async moveClock(offset) {
        if (options.faketime === undefined)
          throw new Error('only a server with faketime has a clock to move');
        await writeFile(clockFile, offset);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As pg_ctl does: the postmaster notes its process id in the first line and its state in the eighth. */
function isReady(dataDir: string, pid: number): boolean {
  const lines = readPidFile(dataDir)?.split('\n') ?? [];
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

function readPidFile(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, 'postmaster.pid'), 'utf8');
  } catch {
    return undefined;
  }
}

/** Ends a server while this process exits and can wait for no event: an immediate shutdown, which frees its memory. */
function endNow(dataDir: string, pid: number): void {
  process.kill(pid, 'SIGCONT');
  process.kill(pid, 'SIGQUIT');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const endsAt = performance.now() + LAST_END_MS;
  while (readPidFile(dataDir) !== undefined) {
    if (performance.now() > endsAt) return void process.kill(pid, 'SIGKILL');
    Atomics.wait(clock, 0, 0, 10);
  }
}
