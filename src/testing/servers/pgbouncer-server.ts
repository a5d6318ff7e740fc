import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithProcess } from './end-with-process.ts';
import { findFreePort } from './free-port.ts';
import { createServerFolder } from './server-folder.ts';
import { createServerProcess } from './server-process.ts';
import { giveTo, unprivilegedUser } from './unprivileged-user.ts';

export interface PgbouncerOptions {
  /** A superuser's URL of the Postgres behind it, by which it looks up everybody's password. */
  readonly postgresUrl: string;
  /** Sessions that it keeps with Postgres for each login and database. */
  readonly sessions: number;
}

/** A PgBouncer of our own, in transaction mode. */
export interface PgbouncerServer {
  /** The same login and database as `postgresUrl`, through it. */
  readonly url: string;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Debian's package puts it where only root's PATH looks. */
const COMMANDS = ['pgbouncer', '/usr/sbin/pgbouncer'];

/** Starts PgBouncer on 127.0.0.1. Rejects, saying what to install, where there is none. */
export async function startPgbouncer(options: PgbouncerOptions): Promise<PgbouncerServer> {
  const { command, version } = await findPgbouncer();
  const user = await unprivilegedUser();
  const folder = await createServerFolder();
  const port = await findFreePort();
  const file = join(folder, 'pgbouncer.ini');
  const release = endWithProcess(() => {
    server.signal('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const server = createServerProcess({
    name: 'PgBouncer',
    command,
    args: [file],
    user,
    folder,
    isReady: () => takesConnections(port),
  });
  async function stop() {
    await server.end('SIGTERM');
    release();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  try {
    await giveTo(user, folder);
    const target = new URL(options.postgresUrl);
    const [name, password] = [target.username, target.password].map(decodeURIComponent);
    const files = {
      [file]: configuration(target, port, folder, options.sessions, version),
      [join(folder, 'users')]: `"${name}" "${password}"\n`,
    };
    for (const [path, text] of Object.entries(files)) {
      await writeFile(path, text, { mode: 0o600 });
      await giveTo(user, path);
    }
    await server.start();
    target.host = `127.0.0.1:${port}`;
    return { url: target.href, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether this machine has one; npm has none to bring. */
export async function hasPgbouncer(): Promise<boolean> {
  return await findPgbouncer().then(
    () => true,
    () => false,
  );
}

async function findPgbouncer(): Promise<{ command: string; version: number }> {
  for (const command of COMMANDS) {
    try {
      const { stdout } = await promisify(execFile)(command, ['--version'], { timeout: 5_000 });
      const [, major, minor] = stdout.match(/(\d+)\.(\d+)/) ?? [];
      return { command, version: Number(major) * 100 + Number(minor) };
    } catch {
      // It is not there.
    }
  }
  throw new Error('no PgBouncer runs here: install the package pgbouncer');
}

function configuration(target: URL, port: number, folder: string, sessions: number, version: number): string {
  return [
    '[databases]',
    `* = host=${target.hostname} port=${target.port || 5432} auth_user=${decodeURIComponent(target.username)}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'pool_mode = transaction',
    `default_pool_size = ${sessions}`,
    'max_client_conn = 500',
    'auth_type = scram-sha-256',
    `auth_file = ${join(folder, 'users')}`,
    'auth_query = select usename, passwd from pg_shadow where usename = $1',
    // Later ones can keep track of prepared statements, which the oldest that is supported cannot.
    ...(version >= 121 ? ['max_prepared_statements = 0'] : []),
    '',
  ].join('\n');
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
