import { sql } from 'drizzle-orm';
import type { Registry } from 'prom-client';
import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import type { Finding } from './audit.ts';
import type { Config } from './config.ts';
import type { Database } from './database/database.ts';
import type { Engine } from './database/engine.ts';
import { invariant } from './errors.ts';
import { auditEvents, auditInbox } from './events/audit.ts';
import { type EventBacklog, readEventBacklog } from './events/backlog.ts';
import { deleteOldEvents } from './events/clean-up.ts';
import { createConsumer } from './events/consumer.ts';
import { createCarrier, eventJobs, type QueueMember } from './events/event-queue.ts';
import { createSettle } from './events/handle.ts';
import { hearHints, hintWorkers } from './events/hints.ts';
import { consumersOf, createOutbox, type Subscribers } from './events/outbox.ts';
import { createRelay, type Relay } from './events/relay.ts';
import { createCursors } from './http/cursor.ts';
import { createIdempotency, type IdempotencyStore } from './http/idempotency-store.ts';
import type { Schedule } from './jobs/jobs.ts';
import { createJobRunner } from './jobs/runner.ts';
import { takeTurn } from './jobs/schedule-store.ts';
import { createScheduler } from './jobs/scheduler.ts';
import type { Part } from './lifecycle.ts';
import { CLEAN_UP_EVERY_MS } from './limits.ts';
import type { AnyModule, ModuleContext, ModuleParts } from './module.ts';
import type { Turning } from './progress.ts';
import type { Broadcast } from './redis/broadcast.ts';
import type { Limiters } from './redis/limiters.ts';
import type { QueueHandlers, Queues } from './redis/queues.ts';
import type { Contract } from './rpc/contract.ts';
import { createLocalApi } from './rpc/local.ts';
import { createSagaEngine } from './saga/engine.ts';
import type { SagaBacklog } from './saga/journal.ts';
import type { Logger } from './telemetry/log.ts';
import { beginAtZero, createModuleMetrics } from './telemetry/module-metrics.ts';

/** A module that runs in this process, with everything the platform keeps for it. */
export interface HostedModule extends QueueMember {
  readonly definition: AnyModule;
  readonly name: string;
  readonly database: Database;
  readonly parts: ModuleParts;
  readonly api: unknown;
  readonly idempotency: IdempotencyStore;
  /** Whether events of this type, sent by others, are handled together. */
  gathers(type: string): boolean;
  /** Looks for deliveries that may go now. */
  wake(): void;
  /** The modules that handle its events. */
  readonly consumers: readonly string[];
  /** Its background work: relay, queue, sagas, jobs, schedules. */
  readonly workers: readonly Part[];
  /** The loops among it that must turn while the module has work to do. */
  readonly loops: readonly Turning[];
  /** What waits for its workers; reads the database. */
  backlog(): Promise<Backlog>;
  /** Frees leases of processes that are certainly gone. */
  freeLeases(): Promise<void>;
  audit(inboxes: ReadonlyMap<string, Database>): AsyncIterable<Finding>;
}

/** Work of a module that is not done. */
export interface Backlog {
  readonly events: EventBacklog;
  /** Undefined for a module that has no sagas. */
  readonly sagas: SagaBacklog | undefined;
}

export interface HostOptions {
  readonly engine: Engine;
  readonly config: Config;
  readonly log: Logger;
  readonly subscribers: Subscribers;
  /** Undefined without Redis. */
  readonly queues: Queues | undefined;
  /** Another module of this process. */
  readonly find: (module: string) => HostedModule | undefined;
  /** The API of a module, hosted here or not, as `caller` uses it. */
  readonly apiOf: (module: string, caller: string) => unknown;
  readonly broadcast: Broadcast;
  readonly limiters: Limiters;
  readonly registry: Registry;
  readonly callPublicApi: ModuleContext['callPublicApi'];
}

/** Builds one module around its schema, which must be migrated. Nothing runs until its parts are started. */
export async function hostModule(definition: AnyModule, options: HostOptions): Promise<HostedModule> {
  const contract: Contract = definition.contract;
  const name = contract.module;
  const log = options.log.child({ module: name });
  const database = options.engine.database(definition.schema);
  const idempotency = createIdempotency(database);
  const metrics = createModuleMetrics(options.registry, name);
  const sagaEngine = createSagaEngine({ database, log, onEnd: metrics.sagaEnded });
  const { queues, broadcast } = options;
  const isWorker = options.config.roles.includes('worker');
  const jobRunner = createJobRunner({
    database,
    log,
    // Should nobody hear it, a worker finds the row by itself.
    onQueued: (id) => queues?.send(name, { name: WORK, id: `job-${id}`, data: {} }).catch(() => undefined),
    onEnd: metrics.ran,
  });
  const consumers = consumersOf(name, options.subscribers);
  const settle = createSettle({ database, tried: metrics.tried, log });
  const relay: Relay = createRelay({
    database,
    consumers,
    local: (consumer) => options.find(consumer)?.consume,
    gathers: (consumer, type) => options.find(consumer)?.gathers(type) ?? false,
    carrier: queues && createCarrier(name, queues),
    settle,
    log,
  });
  const wake = isWorker ? relay.wake : hintWorkers(broadcast, name);
  if (isWorker) hearHints(broadcast, name, relay.wake);
  const outbox = createOutbox({ schema: definition.schema, subscribers: options.subscribers, wake });
  const needs: Record<string, unknown> = {};
  for (const need of Object.keys(definition.needs)) needs[need] = options.apiOf(need, name);

  const parts: ModuleParts = definition.create({
    config: options.config,
    log,
    database,
    outbox,
    sagas: sagaEngine.sagas,
    jobs: jobRunner.jobs,
    idempotency,
    cursors: createCursors(await readSecret(database, 'cursor')),
    needs: needs as ModuleContext['needs'],
    newId: uuidv7,
    broadcast,
    limiters: options.limiters,
    registry: options.registry,
    callPublicApi: options.callPublicApi,
    secret: (secret: string) => readSecret(database, secret),
  });

  const subscriptions = parts.on ?? [];
  const handled = new Set(subscriptions.map(({ event }) => event.type));
  for (const type of contract.consumes) invariant(handled.has(type), `${name} handles ${type}`);
  invariant(handled.size === contract.consumes.length, `${name} handles just what its contract consumes`);
  sagaEngine.register(parts.sagas ?? []);
  jobRunner.register(parts.jobs ?? {});
  const schedules: Schedule[] = [
    ...(parts.schedules ?? []),
    {
      name: `${name}-clean-up`,
      everyMs: CLEAN_UP_EVERY_MS,
      run: async () => {
        await idempotency.deleteOldKeys();
        await deleteOldEvents(database);
        await sagaEngine.deleteOld();
      },
    },
  ];
  if (isWorker) {
    beginAtZero(options.registry, name, {
      consumers,
      consumes: contract.consumes,
      sagas: (parts.sagas ?? []).map((saga) => saga.name),
      runs: [...Object.keys(parts.jobs ?? {}), ...schedules.map((schedule) => schedule.name)],
    });
  }
  const scheduler = createScheduler(schedules, {
    // Nobody else works in a folder, and turns written down there would keep its disk awake.
    takeTurn: async (schedule) =>
      options.engine.kind === 'embedded' || (await takeTurn(database, schedule.name, schedule.everyMs)),
    isWoken: () => queues?.available ?? false,
    onEnd: metrics.ran,
    log,
  });
  const consumer = createConsumer({ name, database, subscriptions, handled: metrics.handled });
  const member: QueueMember = { name, consume: consumer.consume, settle, wake };

  /** Work that other processes, and the clock in Redis, hand to this module's workers. */
  function queueParts(shared: Queues): Part[] {
    const jobs: QueueHandlers = {
      ...eventJobs(member, shared, options.find, log),
      async [TURN](data) {
        await scheduler.look(turnSchema.parse(data).id);
      },
      async [WORK]() {
        await jobRunner.drain();
      },
    };
    return [
      shared.worker(name, jobs),
      ...scheduler.woken.map(({ name: id, everyMs }) => shared.repeat(name, { name: TURN, id }, everyMs)),
    ];
  }

  return {
    ...member,
    gathers: consumer.gathers,
    database,
    definition,
    parts,
    api: createLocalApi(contract, parts.api),
    idempotency,
    consumers,
    // What a module does not have is not looked for: an idle shop should leave its database idle.
    workers: [
      ...(parts.jobs ? [{ name: `${name} jobs`, start: jobRunner.start, stop: jobRunner.stop }] : []),
      { name: `${name} schedules`, start: scheduler.start, stop: scheduler.stop },
      ...(parts.sagas ? [{ name: `${name} sagas`, start: sagaEngine.start, stop: sagaEngine.stop }] : []),
      ...(consumers.length > 0 ? [{ name: `${name} relay`, start: relay.start, stop: relay.stop }] : []),
      ...(queues ? queueParts(queues) : []),
    ],
    loops: [
      ...(parts.jobs ? [{ name: `${name} jobs`, turns: () => jobRunner.turns }] : []),
      ...(parts.sagas ? [{ name: `${name} sagas`, turns: () => sagaEngine.turns }] : []),
      ...consumers.map((to) => ({ name: `${name} relay to ${to}`, turns: () => relay.turns(to) })),
    ],
    async backlog() {
      const [events, sagas] = await Promise.all([
        readEventBacklog(database),
        parts.sagas && sagaEngine.backlog(),
      ]);
      return { events, sagas };
    },
    async freeLeases() {
      await sagaEngine.freeLeases();
      await jobRunner.freeLeases();
      await relay.freeLeases();
      await parts.freeLeases?.();
    },
    async *audit(inboxes) {
      for (const check of parts.audit ?? []) yield* check();
      yield* auditEvents(name, database, options.subscribers, inboxes);
      yield* auditInbox(name, database);
    },
  };
}

/** Names of the jobs in a module's queue that are not about events: a schedule's turn, and a job that is queued. */
const TURN = 'turn';
const WORK = 'work';
const turnSchema = z.object({ id: z.string() });

async function readSecret(database: Database, name: string): Promise<string> {
  const table = sql`${sql.identifier(database.schema)}.secret`;
  const read = async () => {
    const [row] = await database.rows<{ value: string }>(
      sql`select value from ${table} where name = ${name}`,
    );
    return row?.value;
  };
  const known = await read();
  if (known !== undefined) return known;
  await database.rows(sql`insert into ${table} (name) values (${name}) on conflict (name) do nothing`);
  const made = await read();
  invariant(made, `secret ${name} exists once it is made`);
  return made;
}
