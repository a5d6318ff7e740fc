import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import {
  type PostgresOptions,
  type PostgresServer,
  startPostgres,
} from '../src/testing/servers/postgres-server.ts';
import { type RedisOptions, type RedisServer, startRedis } from '../src/testing/servers/redis-server.ts';
import { takePort } from './ports.ts';
import { createShopProcess, type ShopProcess } from './shop-process.ts';

/** A process of the shop that is not there yet. */
export interface ProcessPlan {
  readonly name: string;
  readonly role: 'http' | 'worker';
  /** Whether clients come to it; so they do to every http process unless this says no. */
  readonly isPublic?: boolean;
  /** Free ones unless given. */
  readonly ports?: { readonly port: number; readonly opsPort: number };
  /** Settings of its own, asked at each start. */
  readonly env?: () => Readonly<Record<string, string>>;
}

export interface ClusterOptions {
  readonly folder: string;
  /** Processes that answer requests; two unless given. */
  readonly http?: number;
  /** Processes that do the rest; two unless given. */
  readonly workers?: number;
  /** The processes, in place of `http` and `workers`. */
  readonly plans?: readonly ProcessPlan[];
  /** More settings of all processes, and of commands. */
  readonly shared?: Readonly<Record<string, string>>;
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
  /** The http processes that clients come to. */
  readonly gateways: readonly ShopProcess[];
  readonly admin: { readonly email: string; readonly password: string };
  /** The `.eml` files. */
  readonly mailFolder: string;
  /** Ends that nobody asked for, with the end of the log. */
  readonly unaskedEnds: readonly string[];
  /** Runs queries as the superuser, on connections that are closed afterwards. */
  query<Result>(work: (sql: postgres.Sql) => Promise<Result>): Promise<Result>;
  /** Starts one more process; it is not ready yet. */
  add(plan: ProcessPlan): Promise<ShopProcess>;
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
  const gateways: ShopProcess[] = [];

  const shared: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    DATA_DIR: dataDir,
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
    ...options.shared,
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

  async function prepare(plan: ProcessPlan): Promise<ShopProcess> {
    const { name, role, isPublic = role === 'http', ports } = plan;
    const [port, opsPort] = ports ? [ports.port, ports.opsPort] : [await takePort(), await takePort()];
    const prepared = createShopProcess({
      name,
      role,
      port,
      opsPort,
      env: (start) => ({ ...shared, ...plan.env?.(), ...options.env?.({ name, role, start }) }),
      mayEnd: options.mayEnd,
      onUnaskedEnd: (description) => unaskedEnds.push(description),
      folder,
    });
    processes.push(prepared);
    if (isPublic) gateways.push(prepared);
    return prepared;
  }

  try {
    await query((sql) => sql`create database shop`, database.url);
    for (const plan of options.plans ?? alike(options)) await prepare(plan);
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
    get http() {
      return processes.filter(({ role }) => role === 'http');
    },
    get workers() {
      return processes.filter(({ role }) => role === 'worker');
    },
    gateways,
    admin,
    mailFolder: join(dataDir, 'mail'),
    unaskedEnds,
    query,
    async add(plan) {
      const added = await prepare(plan);
      added.start();
      return added;
    },
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

/** Processes with all modules each, which answer or do the rest. */
function alike({ http = 2, workers = 2 }: ClusterOptions): ProcessPlan[] {
  const some = (role: ProcessPlan['role'], count: number) =>
    Array.from({ length: count }, (_, index) => ({ name: `${role}-${index + 1}`, role }));
  return [...some('http', http), ...some('worker', workers)];
}
