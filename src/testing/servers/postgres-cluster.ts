import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { giveTo, type User } from './unprivileged-user.ts';

export interface ClusterOptions {
  readonly binaries: PostgresBinaries;
  readonly user: User | undefined;
  /** The server's folder, which belongs to `user`. */
  readonly folder: string;
  /** Must not exist. */
  readonly dataDir: string;
  readonly port: number;
  readonly durable: boolean;
  readonly settings: Readonly<Record<string, string>>;
}

const SUPERUSER = 'banyan';
const INITDB_MS = 60_000;

/** Makes an empty cluster in `dataDir` and returns the URL that its superuser has once it runs. */
export async function makeCluster(options: ClusterOptions): Promise<string> {
  const { binaries, user, folder, dataDir, port } = options;
  await mkdir(dataDir, { mode: 0o700 });
  await giveTo(user, dataDir);
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  await giveTo(user, passwordFile);
  const args = [
    `--pgdata=${dataDir}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Code points sort and letters fold as on the embedded database. Linux has this locale always, others may not.
    `--locale=${process.platform === 'linux' ? 'C.UTF-8' : 'en_US.UTF-8'}`,
    // Saves a second. Only a loss of power would show it, and not on what is written after the start.
    '--no-sync',
  ];
  const initdb = join(binaries.bin, 'initdb');
  await promisify(execFile)(initdb, args, { cwd: folder, timeout: INITDB_MS, ...user });
  await rm(passwordFile);
  await appendFile(join(dataDir, 'postgresql.conf'), configuration(options));
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
}

function configuration({ folder, port, durable, settings }: ClusterOptions): string {
  const all: Readonly<Record<string, string>> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    // The pools of several test files at once, or of all processes of a fault run.
    max_connections: '200',
    timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  return `\n${lines.join('')}`;
}
