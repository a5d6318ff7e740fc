import type { Hono } from 'hono';
import type { Finding } from './audit.ts';
import { createCalls } from './calls.ts';
import type { Config } from './config.ts';
import { backupEntries } from './database/backup.ts';
import { packBackup } from './database/backup-archive.ts';
import type { Engine } from './database/engine.ts';
import { type Engines, openEngines } from './database/engines.ts';
import { migrate, migrationSets, pendingMigrations } from './database/migrate.ts';
import { sleep } from './deadline.ts';
import { AppError } from './errors.ts';
import { listDeliveries, type OpenDelivery, retryDeliveries, skipDelivery } from './events/admin.ts';
import type { DeliveryState } from './events/delivery-state.ts';
import { createGrpcServer, type NodeHandler } from './grpc/server.ts';
import { type HostedModule, hostModule } from './host.ts';
import { createApps } from './http/app.ts';
import type { TlsFiles } from './http/certificate.ts';
import { createCertificateSource } from './http/certificate-watch.ts';
import { createForwardServer } from './http/forward-server.ts';
import { type Health, problemsOf } from './http/health.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { createOpsApp } from './http/ops.ts';
import { type Listener, listen, type ServerLimits } from './http/server.ts';
import { createWorkerApp } from './http/worker-app.ts';
import { lastingFindings } from './lasting-findings.ts';
import { createLifecycle, type Part } from './lifecycle.ts';
import { AUDIT_LOOKS_MS, OPS_HEADER_BYTES, SAGA_FORWARD_MS } from './limits.ts';
import type { AnyModule } from './module.ts';
import { createProgressWatch, type Turning } from './progress.ts';
import { createBroadcast } from './redis/broadcast.ts';
import { createLimiters } from './redis/limiters.ts';
import { createQueues } from './redis/queues.ts';
import { createRedis, type Redis } from './redis/redis.ts';
import { shopIdOf } from './redis/shop-id.ts';
import type { Api, Contract } from './rpc/contract.ts';
import { createCallServer } from './rpc/server.ts';
import { createCallTaker, type ServedModule } from './rpc/take-call.ts';
import type { Logger } from './telemetry/log.ts';
import { tellBacklogs, tellProcess } from './telemetry/shop-gauges.ts';
import { sortByNeeds, subscribersOf } from './topology.ts';
import { version } from './version.ts';

export interface ShopOptions {
  readonly config: Config;
  readonly log: Logger;
  /** The modules that this process hosts. */
  readonly modules: readonly AnyModule[];
  /** All modules of the shop, wherever they run; default: those hosted here are all. */
  readonly known?: readonly AnyModule[];
  /** Stand-ins for modules that run nowhere, by name. */
  readonly elsewhere?: Readonly<Record<string, unknown>>;
  /** Fetches the public keys that verify access tokens, from whichever module issues them. */
  readonly fetchKeys: (apiOf: (module: string) => unknown) => Promise<{ keys: Record<string, unknown>[] }>;
  /** An opened database, instead of the one that the configuration names. */
  readonly engines?: Engines;
  /** Where this process measures; default: a registry of its own. */
  readonly metrics?: Metrics;
  /** After how long without progress a loop or a pool counts as stuck; default: LOOP_STUCK_MS. */
  readonly stuckMs?: number;
}

export interface Address {
  readonly url: string;
  readonly opsUrl: string;
  /** Lines for the person who started it. */
  readonly notices: readonly string[];
}

/** An event delivery with the module that sent it. */
export interface ShopDelivery extends OpenDelivery {
  readonly module: string;
}

export interface Shop {
  readonly config: Config;
  readonly modules: readonly HostedModule[];
  /** Migrations that were applied while opening. */
  readonly migrated: readonly string[];
  /** The public API, also without a listener. */
  readonly publicApp: Hono;
  /** Health and metrics; `serve` adds the operator's controls before it starts. */
  readonly opsApp: Hono;
  /** Starts the modules and their background work; with `listen` (default) the two ports as well. */
  start(options?: { listen?: boolean }): Promise<Address>;
  /**
   * Ends requests and work in flight, then closes the database. Safe to call at any time, once. With DRAIN_SECONDS and
   * open ports, it first goes on for that long while it says that it is not ready.
   */
  stop(): Promise<void>;
  api<C extends Contract>(contract: C): Api<C>;
  /**
   * Yields every broken invariant. A living shop has orders in flight, so what looks broken there is looked at
   * again until the sagas' deadline has passed, and only what stays broken is yielded.
   */
  audit(): AsyncIterable<Finding>;
  /**
   * The bytes of a backup of everything in the folder, made while the shop goes on; only on the embedded database.
   * Rejects with `backup_running` (conflict) while another one is made.
   */
  backup(): AsyncIterable<Buffer>;
  readonly events: {
    list(filter: { state?: DeliveryState; limit: number }): Promise<ShopDelivery[]>;
    retry(eventId: string, consumer?: string): Promise<number>;
    skip(eventId: string, consumer: string): Promise<number>;
  };
}

/**
 * Opens the databases, migrates them and puts the modules together in this process. Rejects as `openEngines` does,
 * and with `migrations_pending` (unavailable) when MIGRATE is off and a schema is behind.
 */
export async function openShop(options: ShopOptions): Promise<Shop> {
  const owners = options.modules.map(({ contract, schema }) => ({ module: contract.module, schema }));
  const engines = options.engines ?? (await openEngines(options.config, owners));
  const { redisUrl } = options.config;
  const redis = redisUrl === undefined ? undefined : createRedis(redisUrl, options.log);
  try {
    return await assemble(engines, redis, options);
  } catch (error) {
    redis?.close();
    await engines.close();
    throw error;
  }
}

async function assemble(engines: Engines, redis: Redis | undefined, options: ShopOptions): Promise<Shop> {
  const { config, log } = options;
  const metrics = options.metrics ?? createMetrics();
  const known = options.known ?? options.modules;
  const migrated = [...engines.made, ...(await bringUpToDate(engines, options))];

  const shopId = shopIdOf(config);
  const broadcast = createBroadcast(redis, shopId, log);
  const limiters = createLimiters(redis, shopId);
  const queues = redis && createQueues(redis, shopId, log);
  const hosted = new Map<string, HostedModule>();
  const calls = createCalls({ config, log, metrics, known, hosted, standIns: options.elsewhere ?? {} });
  for (const definition of sortByNeeds(options.modules, calls.elsewhere)) {
    const engine = engines.of(definition.contract.module);
    const module = await hostModule(definition, {
      engine,
      config,
      log,
      subscribers: subscribersOf(known.map(({ contract }) => contract)),
      queues,
      find: (module) => hosted.get(module),
      apiOf: calls.api,
      broadcast,
      limiters,
      registry: metrics.registry,
      callPublicApi: async (path, init) => await publicApp.request(path, init),
    });
    // The folder's lock proves that whoever held leases in it is gone.
    if (engine.kind === 'embedded') await module.freeLeases();
    hosted.set(module.name, module);
  }
  const modules = [...hosted.values()];
  const isWorker = config.roles.includes('worker');
  const watch = createProgressWatch(
    [...poolsToWatch(engines), ...(isWorker ? modules.flatMap(({ loops }) => loops) : [])],
    options.stuckMs,
  );

  const health: Health = {
    version,
    modules: Object.fromEntries(
      known.map(({ contract: { module } }) => [module, hosted.has(module) ? 'local' : 'remote'] as const),
    ),
    get peers() {
      return Object.fromEntries(calls.peers.states);
    },
    get differingCalls() {
      return calls.skew.calls;
    },
    database: engines.kind,
    get redis() {
      if (redis === undefined) return 'not used';
      return redis.available ? 'up' : 'down';
    },
    get progress() {
      return watch.states;
    },
    async problems() {
      if (!lifecycle.ready || draining) return ['process'];
      // The names only: what the database says is for the log, not for whoever asks on the public port.
      const failing = await engines.failing();
      for (const { module, failure } of failing) {
        log.error({ err: failure, module }, 'the database does not answer');
      }
      const stuck = watch.stuck.map((name) => `${name} is stuck`);
      if (engines.kind === 'embedded') return failing.length > 0 ? ['database', ...stuck] : stuck;
      return [...failing.map(({ module }) => `database of ${module}`), ...stuck];
    },
  };
  const isReady = async () => (await problemsOf(health)).length === 0;
  tellProcess(metrics.registry, { dataDir: config.dataDir, engines, redis, isReady });
  if (isWorker) tellBacklogs(metrics.registry, modules, queues);
  const { publicApp, ownerApp } = createApps({
    config,
    log,
    modules: modules.map(({ name, definition, parts, idempotency }) => ({
      name,
      routes: definition.routes,
      handlers: parts.handlers,
      idempotency,
    })),
    elsewhere: calls.forwards(),
    order: known.map(({ contract }) => contract.module),
    fetchKeys: () => options.fetchKeys((module) => calls.api(module, 'edge')),
    limiters,
    health,
    metrics,
  });
  const taker = createCallTaker({
    modules: modules.map(({ definition, api }) => ({
      contract: definition.contract,
      api: api as ServedModule['api'],
    })),
    tokens: calls.tokens,
    log,
  });
  const callServer = createCallServer(taker);
  const grpc = createGrpcServer({
    contracts: known.map(({ contract }) => contract),
    taker,
    serving: async () => (await problemsOf(health)).length === 0,
  });
  const forwardServer = createForwardServer({ ownerApp, modules: known, hosted, tokens: calls.tokens, log });
  const opsApp = createOpsApp({ health, metrics, servers: [callServer, forwardServer] });
  // Modules of a worker still call the public API from inside.
  const listened = config.roles.includes('http') ? publicApp : createWorkerApp(health);

  let started = false;
  let listening = true;
  let draining = false;
  const servers: Listener[] = [];
  const urls = { url: '', opsUrl: '' };
  const port = (
    name: keyof typeof urls,
    app: Hono,
    host: string,
    number: number,
    { limits, tls, grpc }: { limits?: Partial<ServerLimits>; tls?: TlsFiles; grpc?: NodeHandler },
  ): Part => {
    let server: Listener | undefined;
    return {
      name: `port ${number}`,
      async start() {
        if (!listening) return;
        const certificate = tls && createCertificateSource({ files: tls, log, registry: metrics.registry });
        server = await listen(app, { host, port: number, limits, certificate, grpc });
        servers.push(server);
        urls[name] = server.url;
      },
      stop: () => server?.close(),
    };
  };
  const lifecycle = createLifecycle(
    [
      { name: 'database', stop: () => engines.close() },
      { name: 'redis', stop: () => redis?.close() },
      { name: 'queues', stop: () => queues?.close() },
      { name: 'peers', stop: () => calls.peers.close() },
      ...modules.map(({ name, parts: { start, stop } }) => ({ name, start, stop })),
      ...(isWorker ? modules.flatMap((module) => module.workers) : []),
      { name: 'progress', start: watch.start, stop: watch.stop },
      port('opsUrl', opsApp, config.opsHost, config.opsPort, {
        grpc,
        limits: { headerBytes: OPS_HEADER_BYTES },
      }),
      port('url', listened, config.host, config.port, { tls: config.tls }),
    ],
    log,
  );

  /** Balancers that ask for readiness turn away, and clients leave their connections, before the ports close. */
  async function drain(): Promise<void> {
    if (config.drainMs === 0) return;
    draining = true;
    log.info({ ms: config.drainMs }, 'not ready any more; the ports close later');
    for (const server of servers) server.drain();
    await sleep(config.drainMs);
  }

  async function* findings(): AsyncIterable<Finding> {
    const inboxes = new Map(modules.map((module) => [module.name, module.database]));
    for (const module of modules) yield* module.audit(inboxes);
  }

  return {
    config,
    modules,
    migrated,
    publicApp,
    opsApp,
    async start({ listen: withPorts = true } = {}) {
      listening = withPorts;
      started = true;
      await lifecycle.start();
      return {
        ...urls,
        notices: modules.flatMap((module) => module.parts.notices?.() ?? []),
      };
    },
    async stop() {
      if (lifecycle.ready && servers.length > 0) await drain();
      if (started) return await lifecycle.stop();
      await calls.peers.close();
      redis?.close();
      await engines.close();
    },
    api: <C extends Contract>(contract: C) => calls.api(contract.module, 'operator') as Api<C>,
    async *audit() {
      const endsAt = performance.now() + SAGA_FORWARD_MS + AUDIT_LOOKS_MS;
      // Postgres may be shared with processes that trade; a folder is ours alone.
      const isLive = started || engines.kind === 'postgres';
      yield* await lastingFindings(findings, async () => {
        if (!isLive || performance.now() >= endsAt) return false;
        await sleep(AUDIT_LOOKS_MS);
        return true;
      });
    },
    backup: () =>
      packBackup(backupEntries(engines.of(modules[0]!.name), { dataDir: config.dataDir, version })),
    events: {
      async list(filter) {
        const lists = await Promise.all(
          modules.map(async (module) => {
            const rows = await listDeliveries(module.database, filter);
            return rows.map((row) => ({ ...row, module: module.name }));
          }),
        );
        return lists.flat().slice(0, filter.limit);
      },
      async retry(eventId, consumer) {
        return await sumOver(modules, (module) => retryDeliveries(module.database, eventId, consumer));
      },
      async skip(eventId, consumer) {
        return await sumOver(modules, (module) => skipDelivery(module.database, eventId, consumer));
      },
    },
  };
}

/** A pool that is full turns when somebody gives a connection back; one with room has nothing to do. */
function poolsToWatch(engines: Engines): Turning[] {
  return [...engines.pools().keys()].map((module) => ({
    name: module === 'all' ? 'database pool' : `database pool of ${module}`,
    turns() {
      const state = engines.pools().get(module);
      return state && state.busy >= state.max ? state.served : undefined;
    },
  }));
}

/**
 * Migrates the schemas of all modules at once, as each has its own, or with MIGRATE=off refuses those that are behind.
 * Resolves with what was applied, in the modules' order. Settles once no migration is under way any more.
 */
async function bringUpToDate(engines: Engines, { config, modules }: ShopOptions): Promise<string[]> {
  const outcomes = await Promise.allSettled(
    modules.map(async ({ contract: { module }, schema }) => {
      const engine = engines.of(module);
      const sets = migrationSets(module);
      if (config.migrate === 'auto') return await migrate(engine, schema, sets);
      await refusePending(engine, schema, sets);
      return [];
    }),
  );
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

async function refusePending(engine: Engine, schema: string, sets: readonly string[]): Promise<void> {
  const pending = await pendingMigrations(engine, schema, sets);
  if (pending.length === 0) return;
  throw new AppError(
    'unavailable',
    'migrations_pending',
    `run \`banyan migrate\` first: ${pending.join(', ')}`,
  );
}

async function sumOver(modules: readonly HostedModule[], work: (module: HostedModule) => Promise<number>) {
  const counts = await Promise.all(modules.map(work));
  return counts.reduce((total, count) => total + count, 0);
}
