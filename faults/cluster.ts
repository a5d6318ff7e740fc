import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { findFreePort } from '../src/testing/servers/free-port.ts';
import {
  type PostgresOptions,
  type PostgresServer,
  startPostgres,
} from '../src/testing/servers/postgres-server.ts';
import { type RedisOptions, type RedisServer, startRedis } from '../src/testing/servers/redis-server.ts';
import { createShopProcess, type ShopProcess } from './shop-process.ts';

export interface ClusterOptions {
  readonly folder: string;
  /** Processes that answer requests; two unless given. */
  readonly http?: number;
  /** Processes that do the rest; two unless given. */
  readonly workers?: number;
  readonly postgres?: PostgresOptions;
  readonly redis?: RedisOptions;
  /** More settings of one process, asked at each of its starts, which count from 1. */
  readonly env?: (process: {
    name: string;
    role: 'http' | 'worker';
    start: number;
  }) => Readonly<Record<string, string>>;
  /** Whether a process may end by itself so. */
  readonly mayEnd?: (code: number | null, signal: NodeJS.Signals | null) => boolean;
}

/** A shop in several processes on a Postgres and a Redis of its own. */
export interface Cluster {
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  readonly databaseUrl: string;
  readonly processes: readonly ShopProcess[];
  readonly http: readonly ShopProcess[];
  readonly workers: readonly ShopProcess[];
  readonly admin: { readonly email: string; readonly password: string };
  /** The `.eml` files. */
  readonly mailFolder: string;
  /** Ends that nobody asked for, with the end of the log. */
  readonly unaskedEnds: readonly string[];
  /** Runs queries as the superuser, on connections that are closed afterwards. */
  query<Result>(work: (sql: postgres.Sql) => Promise<Result>): Promise<Result>;
  /** Runs another command of `banyan` on the same shop; resolves with its exit code and what it printed. */
  command(...args: string[]): Promise<{ code: number; out: string; err: string }>;
  /** Stops the processes in good order, then the servers. */
  stop(): Promise<void>;
}

/** Commands that audit a large shop take minutes. */
const COMMAND_MS = 600_000;

/** Starts Postgres, Redis and the processes, and resolves when all of them are ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { folder } = options;
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir, { recursive: true });
  const admin = { email: 'admin@example.com', password: 'correct horse battery' };
  const database = await startPostgres(options.postgres);
  const redis = await startRedis(options.redis);
  const databaseUrl = new URL('/shop', database.url).href;
  const unaskedEnds: string[] = [];
  const processes: ShopProcess[] = [];
  const ports = new Set<number>();

  const shared: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    DATA_DIR: dataDir,
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
  };

  async function query<Result>(
    work: (sql: postgres.Sql) => Promise<Result>,
    url = databaseUrl,
  ): Promise<Result> {
    const sql = postgres(url, { max: 2, onnotice: () => undefined });
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }

  async function stop(): Promise<void> {
    await Promise.all(processes.map((each) => each.stop()));
    await redis.stop();
    await database.stop();
  }

  /** Nothing listens on them before all are chosen, so a port could be found twice. */
  async function takePort(): Promise<number> {
    let port = await findFreePort();
    while (ports.has(port)) port = await findFreePort();
    ports.add(port);
    return port;
  }

  async function add(role: 'http' | 'worker', number: number): Promise<void> {
    const name = `${role}-${number}`;
    processes.push(
      createShopProcess({
        name,
        role,
        port: await takePort(),
        opsPort: await takePort(),
        env: (start) => ({ ...shared, ...options.env?.({ name, role, start }) }),
        mayEnd: options.mayEnd,
        onUnaskedEnd: (description) => unaskedEnds.push(description),
        folder,
      }),
    );
  }

  try {
    await query((sql) => sql`create database shop`, database.url);
    for (let number = 1; number <= (options.http ?? 2); number += 1) await add('http', number);
    for (let number = 1; number <= (options.workers ?? 2); number += 1) await add('worker', number);
    for (const each of processes) each.start();
    await Promise.all(processes.map((each) => each.ready()));
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    postgres: database,
    redis,
    databaseUrl,
    processes,
    http: processes.filter(({ role }) => role === 'http'),
    workers: processes.filter(({ role }) => role === 'worker'),
    admin,
    mailFolder: join(dataDir, 'mail'),
    unaskedEnds,
    query,
    command(...args) {
      const ending = Promise.withResolvers<{ code: number; out: string; err: string }>();
      const banyan = join(import.meta.dirname, '../bin/banyan');
      const env = { PATH: process.env.PATH ?? '', ...shared };
      execFile(banyan, args, { env, timeout: COMMAND_MS, maxBuffer: 64 * 2 ** 20 }, (error, out, err) =>
        ending.resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
      );
      return ending.promise;
    },
    stop,
  };
}
