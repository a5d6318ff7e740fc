import type { Registry } from 'prom-client';
import type { AuditCheck } from './audit.ts';
import type { Config } from './config.ts';
import type { Database } from './database/database.ts';
import type { Outbox } from './events/outbox.ts';
import type { Subscription } from './events/subscription.ts';
import type { Cursors } from './http/cursor.ts';
import type { Idempotency } from './http/idempotency.ts';
import type { Handlers, Routes } from './http/route.ts';
import type { JobHandler, Jobs, Schedule } from './jobs/jobs.ts';
import type { Broadcast } from './redis/broadcast.ts';
import type { Limiters } from './redis/limiters.ts';
import type { Api, Contract, Implementation } from './rpc/contract.ts';
import type { SagaDefinition, Sagas } from './saga/saga.ts';
import type { MetricSpec } from './telemetry/instruments.ts';
import type { Logger } from './telemetry/log.ts';

/** The modules that one module calls, by name. */
export type Needs = Readonly<Record<string, Contract>>;

export type Apis<N extends Needs> = { readonly [K in keyof N]: Api<N[K]> };

/** What the platform hands a module. Everything a module touches outside itself comes through here. */
export interface ModuleContext<N extends Needs = Needs> {
  readonly config: Config;
  readonly log: Logger;
  readonly database: Database;
  readonly outbox: Outbox;
  readonly sagas: Sagas;
  readonly jobs: Jobs;
  readonly idempotency: Idempotency;
  readonly cursors: Cursors;
  readonly needs: Apis<N>;
  /** Hints to the same module in other processes. */
  readonly broadcast: Broadcast;
  readonly limiters: Limiters;
  /** Where it counts, by `counterOf` and the like. */
  readonly registry: Registry;
  /** A new UUIDv7. */
  newId(): string;
  /**
   * Sends a request to the shop's own public API, as an outside party would: `path` from the root, as
   * `/api/v1/payments/webhooks/sandbox`. For a provider that plays a third party within this process.
   */
  callPublicApi(path: string, init: RequestInit): Promise<Response>;
  /** A key of this installation, made once and kept in the module's schema. */
  secret(name: string): Promise<string>;
}

/** What a module hands back: plain values, bound to its context. */
export interface ModuleParts<C extends Contract = Contract, R extends Routes = Routes> {
  readonly api: Implementation<C>;
  readonly handlers: Handlers<R>;
  /** Exactly the contract's `consumes`. */
  readonly on?: readonly Subscription[];
  // biome-ignore lint/suspicious/noExplicitAny: each saga has data of its own, which only its steps read.
  readonly sagas?: readonly SagaDefinition<any>[];
  /** By job kind. */
  readonly jobs?: Readonly<Record<string, JobHandler<never>>>;
  readonly schedules?: readonly Schedule[];
  readonly audit?: readonly AuditCheck[];
  /** Lines for people that `serve` prints once it is ready, as the first admin's password. */
  notices?(): readonly string[];
  /** Frees what the module itself leases; called before its start, when no other process of the shop can live. */
  freeLeases?(): Promise<void>;
  /** Before the module is ready; a rejection stops the start. */
  start?(): Promise<void>;
  /** After requests and handlers have ended. */
  stop?(): Promise<void>;
}

export interface ModuleDefinition<
  C extends Contract = Contract,
  N extends Needs = Needs,
  R extends Routes = Routes,
> {
  readonly contract: C;
  /** The Postgres schema it owns, as `orders`. */
  readonly schema: string;
  readonly needs: N;
  readonly routes: R;
  /** What it measures besides what the platform measures of every module. */
  readonly metrics?: Readonly<Record<string, MetricSpec>>;
  /**
   * What its background work keeps in DATA_DIR by these settings, if anything. One folder is then the whole of it only
   * while one process does that work; `banyan lint` warns of several.
   */
  keepsInFolder?(config: Config): string | undefined;
  create(context: ModuleContext<N>): ModuleParts<C, R>;
}

/** A module with its types forgotten, as the platform holds it. */
// biome-ignore lint/suspicious/noExplicitAny: the platform hosts modules of any contract, needs and routes.
export type AnyModule = ModuleDefinition<any, any, any>;

export function defineModule<C extends Contract, N extends Needs, R extends Routes>(
  definition: ModuleDefinition<C, N, R>,
): ModuleDefinition<C, N, R> {
  return definition;
}
