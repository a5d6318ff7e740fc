import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import type { Finding } from './audit.ts';
import type { Config } from './config.ts';
import type { Database } from './database/database.ts';
import type { Engine } from './database/engine.ts';
import { invariant } from './errors.ts';
import { auditEvents, auditInbox } from './events/audit.ts';
import { deleteOldEvents } from './events/clean-up.ts';
import type { EventEnvelope } from './events/event.ts';
import { consume, type EventHandler } from './events/inbox.ts';
import { consumersOf, createOutbox, type Subscribers } from './events/outbox.ts';
import { createRelay, type Relay, type Transport } from './events/relay.ts';
import { createCursors } from './http/cursor.ts';
import { createIdempotency, type IdempotencyStore } from './http/idempotency-store.ts';
import { createJobRunner } from './jobs/runner.ts';
import { createScheduler } from './jobs/scheduler.ts';
import type { Part } from './lifecycle.ts';
import { CLEAN_UP_EVERY_MS } from './limits.ts';
import type { AnyModule, ModuleContext, ModuleParts } from './module.ts';
import type { Broadcast } from './redis/broadcast.ts';
import type { Limiters } from './redis/limiters.ts';
import type { Contract } from './rpc/contract.ts';
import { createLocalApi } from './rpc/local.ts';
import { createSagaEngine } from './saga/engine.ts';
import type { Logger } from './telemetry/log.ts';

/** A module that runs in this process, with everything the platform keeps for it. */
export interface HostedModule {
  readonly definition: AnyModule;
  readonly name: string;
  readonly database: Database;
  readonly parts: ModuleParts;
  readonly api: unknown;
  readonly idempotency: IdempotencyStore;
  /** Handles one event in this module; resolves when its inbox has recorded it. */
  consume(event: EventEnvelope): Promise<void>;
  /** Its background work: relay, sagas, jobs, schedules. */
  readonly workers: readonly Part[];
  /** Frees leases of processes that are certainly gone. */
  freeLeases(): Promise<void>;
  audit(inboxes: ReadonlyMap<string, Database>): AsyncIterable<Finding>;
}

export interface HostOptions {
  readonly engine: Engine;
  readonly config: Config;
  readonly log: Logger;
  readonly subscribers: Subscribers;
  readonly transport: Transport;
  /** The API of a module, hosted here or not. */
  readonly apiOf: (module: string) => unknown;
  readonly broadcast: Broadcast;
  readonly limiters: Limiters;
  readonly callPublicApi: ModuleContext['callPublicApi'];
}

/** Builds one module around its schema, which must be migrated. Nothing runs until its parts are started. */
export async function hostModule(definition: AnyModule, options: HostOptions): Promise<HostedModule> {
  const contract: Contract = definition.contract;
  const name = contract.module;
  const log = options.log.child({ module: name });
  const database = options.engine.database(definition.schema);
  const idempotency = createIdempotency(database);
  const sagaEngine = createSagaEngine({ database, log });
  const jobRunner = createJobRunner({ database, log });
  const consumers = consumersOf(name, options.subscribers);
  const relay: Relay = createRelay({
    database,
    consumers,
    transport: options.transport,
    log,
  });
  const outbox = createOutbox({
    schema: definition.schema,
    subscribers: options.subscribers,
    wake: relay.wake,
  });
  const needs: Record<string, unknown> = {};
  for (const need of Object.keys(definition.needs)) needs[need] = options.apiOf(need);

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
    broadcast: options.broadcast,
    limiters: options.limiters,
    callPublicApi: options.callPublicApi,
    secret: (secret: string) => readSecret(database, secret),
  });

  const handlers = new Map(Object.entries(parts.on ?? {})) as Map<string, EventHandler>;
  for (const type of contract.consumes) invariant(handlers.has(type), `${name} handles ${type}`);
  invariant(handlers.size === contract.consumes.length, `${name} handles just what its contract consumes`);
  sagaEngine.register(parts.sagas ?? []);
  jobRunner.register(parts.jobs ?? {});
  const scheduler = createScheduler(
    [
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
    ],
    log,
  );

  return {
    definition,
    name,
    database,
    parts,
    api: createLocalApi(contract, parts.api),
    idempotency,
    async consume(event) {
      const handler = handlers.get(event.type);
      invariant(handler, `${name} handles ${event.type}`);
      await consume(database, event, handler);
    },
    // What a module does not have is not looked for: an idle shop should leave its database idle.
    workers: [
      ...(parts.jobs ? [{ name: `${name} jobs`, start: jobRunner.start, stop: jobRunner.stop }] : []),
      { name: `${name} schedules`, start: scheduler.start, stop: scheduler.stop },
      ...(parts.sagas ? [{ name: `${name} sagas`, start: sagaEngine.start, stop: sagaEngine.stop }] : []),
      ...(consumers.length > 0 ? [{ name: `${name} relay`, start: relay.start, stop: relay.stop }] : []),
    ],
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
