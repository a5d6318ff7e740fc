import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { isReady } from '../faults/shop-process.ts';
import { pickPorts } from '../src/commands/pick-ports.ts';
import { sleep } from '../src/deadline.ts';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';
import { findPostgres } from '../src/testing/servers/postgres-binaries.ts';
import { type PostgresServer, startPostgres } from '../src/testing/servers/postgres-server.ts';
import { type RedisServer, startRedis } from '../src/testing/servers/redis-server.ts';
import { unprivilegedUser } from '../src/testing/servers/unprivileged-user.ts';
import { type Usage, usageOf } from './about.ts';
import { bundledShop } from './bundled-shop.ts';
import { armProfiler } from './profile.ts';
import type { Bench } from './suite.ts';

const root = join(import.meta.dirname, '..');

/** A small server's settings in place of those that Postgres has for a machine of 1996. Every flush is kept. */
const POSTGRES_SETTINGS = {
  shared_buffers: '512MB',
  max_wal_size: '2GB',
  // So that no checkpoint of one measurement falls into the next one at random.
  checkpoint_timeout: '15min',
  effective_cache_size: '4GB',
  random_page_cost: '1.1',
};

export interface Servers {
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  /** The folder of `postgres`, in which `pgbench` may be. */
  readonly postgresBin: string;
  readonly hasStatementStatistics: boolean;
  /** Makes an empty database, and returns its URL as the superuser has it. */
  createDatabase(name: string): Promise<string>;
  /** Runs queries as the superuser, on a connection that is closed afterwards. */
  query<Result>(databaseUrl: string, work: (sql: postgres.Sql) => Promise<Result>): Promise<Result>;
}

/** Starts Postgres, as durable as a real shop has it, and Redis. They end with the suite. */
export async function startServers(
  bench: Bench,
  settings: Readonly<Record<string, string>> = {},
): Promise<Servers> {
  const { bin } = await findPostgres(bench.folder, await unprivilegedUser());
  const hasStatementStatistics = ['../lib', '../lib/postgresql'].some((lib) =>
    existsSync(join(bin, lib, 'pg_stat_statements.so')),
  );
  const all = {
    ...POSTGRES_SETTINGS,
    ...(hasStatementStatistics && { shared_preload_libraries: 'pg_stat_statements' }),
    ...settings,
  };
  const database = await startPostgres({ durable: true, settings: all });
  bench.atEnd(() => database.stop());
  const redis = await startRedis();
  bench.atEnd(() => redis.stop());
  bench.noteVersion('postgres', database.version);
  bench.noteVersion('redis', await redisVersion(redis.url));
  bench.note('postgres', { fsync: 'on', synchronous_commit: 'on', ...all });
  async function query<Result>(url: string, work: (sql: postgres.Sql) => Promise<Result>): Promise<Result> {
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }
  return {
    postgres: database,
    redis,
    postgresBin: bin,
    hasStatementStatistics,
    query,
    async createDatabase(name) {
      await query(database.url, (sql) => sql`create database ${sql(name)}`);
      const url = new URL(`/${name}`, database.url).href;
      if (hasStatementStatistics) await query(url, (sql) => sql`create extension pg_stat_statements`);
      return url;
    },
  };
}

async function redisVersion(url: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const about = await redis.info('server');
    return /(?:valkey|redis)_version:(\S+)/.exec(about)?.[1] ?? 'unknown';
  } finally {
    redis.disconnect();
  }
}

export interface ShopOptions {
  /** Of the process, for its log. */
  readonly name?: string;
  /** More settings, and others in place of those that it would get. */
  readonly env?: Readonly<Record<string, string>>;
  /** As `npm run build` makes it, in place of the source. */
  readonly bundled?: boolean;
  /** In place of `serve`, as `['up', 'placement.yaml']`. */
  readonly command?: readonly string[];
  /** Processes that it is made of, each of which takes a public and an operations port; 1 unless given. */
  readonly processes?: number;
}

/** A shop's process, ready. */
export interface Shop {
  readonly url: string;
  readonly opsUrl: string;
  readonly pid: number;
  readonly databaseUrl: string | undefined;
  readonly logFile: string;
  /** Where its `DATA_DIR` is. */
  readonly dataDir: string;
  /** From the start of the process to the first 200 of its `/readyz`. */
  readonly readyMs: number;
  /** Of the process and of those that it started. */
  usage(): Usage;
  /** By SIGTERM. Rejects when it ends with any code but 0. */
  stop(): Promise<void>;
}

export const ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };

/** As it is unless set; written out so that results name it. */
const POOL = 20;
/** Of the log, in the message when a shop fails. */
const LOG_LINES = 15;
const LOG_LINE_LENGTH = 400;
const READY_MS = 60_000;
/** A few ms, as starts are measured too. */
const LOOK_MS = 5;
const END_MS = 60_000;

/**
 * Starts a shop as people run it, on `databaseUrl` and the Redis of `servers`, without a rate limit since one client
 * sends everything. It ends with the suite. Rejects with the end of its log when it is not ready in 60 s.
 */
export async function startShop(
  bench: Bench,
  servers: Pick<Servers, 'redis'> | undefined,
  databaseUrl: string | undefined,
  options: ShopOptions = {},
): Promise<Shop> {
  const { name = 'shop', env = {}, bundled = false, command = ['serve'], processes = 1 } = options;
  bench.note('shop', { databasePoolMax: POOL, logLevel: 'info', rateLimit: 'off' });
  const port = await pickPorts(2 * processes);
  const opsPort = port + processes;
  const dataDir = join(bench.folder, `${name}-data`);
  mkdirSync(dataDir, { recursive: true });
  const logFile = join(bench.folder, `${name}.log`);
  const log = openSync(logFile, 'a');
  const program = bundled ? await bundledShop(bench) : join(root, 'src/main.ts');
  const startedAt = performance.now();
  const child = spawn(process.execPath, [program, ...command], {
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: String(port),
      OPS_PORT: String(opsPort),
      DATA_DIR: dataDir,
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      RATE_LIMIT: 'off',
      DATABASE_POOL_MAX: String(POOL),
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
      ...(servers && { REDIS_URL: servers.redis.url }),
      ...(bench.profiling && armProfiler(bench.profiling, name)),
      ...env,
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const release = endWithProcess(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const logTail = () => {
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
    return lines.map((line) => line.slice(0, LOG_LINE_LENGTH)).join('\n');
  };
  let isStopped = false;
  async function stop() {
    if (isStopped) return;
    isStopped = true;
    const givingUp = setTimeout(() => child.kill('SIGKILL'), END_MS);
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    clearTimeout(givingUp);
    release();
    if (code !== 0) throw new Error(`${name} ended with ${signal ?? `code ${code}`}:\n${logTail()}`);
  }
  bench.atEnd(stop);
  const opsUrl = `http://127.0.0.1:${opsPort}`;
  const endsAt = startedAt + READY_MS;
  while (!(await isReady(opsUrl))) {
    if (child.exitCode !== null)
      throw new Error(`${name} ended with ${child.exitCode} before it was ready:\n${logTail()}`);
    if (performance.now() > endsAt) throw new Error(`${name} was not ready in ${READY_MS} ms:\n${logTail()}`);
    await sleep(LOOK_MS);
  }
  const readyMs = performance.now() - startedAt;
  return {
    url: `http://127.0.0.1:${port}`,
    opsUrl,
    pid: child.pid!,
    databaseUrl,
    logFile,
    dataDir,
    readyMs,
    usage: () => usageOf(child.pid!),
    stop,
  };
}
