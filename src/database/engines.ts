import type { Config, DatabaseConfig } from '../config.ts';
import { invariant } from '../errors.ts';
import type { Engine } from './engine.ts';
import { openPostgres, type PostgresEngine } from './postgres.ts';
import { requirePatchedDriver } from './postgres-connection.ts';
import type { PoolState } from './postgres-pool.ts';
import { loginOf, makeRoles, requireRoles, type SchemaOwner } from './roles.ts';

/** The databases of the modules that this process hosts: one that all share, or a login for each. */
export interface Engines {
  readonly kind: Engine['kind'] | 'not used';
  /** What was made before the modules could log in, for people. */
  readonly made: readonly string[];
  of(module: string): Engine;
  /** Modules whose database does not answer, with the failure. */
  failing(): Promise<readonly { readonly module: string; readonly failure: unknown }[]>;
  /** How full each module's pool is; the one session of the embedded database is everybody's, under `all`. */
  pools(): ReadonlyMap<string, PoolState>;
  close(): Promise<void>;
}

/**
 * Opens what the configuration names. On Postgres with MIGRATE=auto the modules' logins are made first. Rejects
 * with `database_locked`, `driver_unpatched`, `roles_missing` or `database_unavailable` (all unavailable).
 */
export async function openEngines(
  config: Pick<Config, 'dataDir' | 'database' | 'migrate'>,
  owners: readonly SchemaOwner[],
): Promise<Engines> {
  if (owners.length === 0) return noEngines;
  if (config.database !== undefined) return await openOnPostgres(config.database, config.migrate, owners);
  // Loaded here, since it is half a megabyte that a shop on Postgres never needs.
  const { openEmbedded } = await import('./embedded.ts');
  return shareEngine(await openEmbedded({ folder: config.dataDir }), owners);
}

/** Of a process without modules, as a gateway is. */
const noEngines: Engines = {
  kind: 'not used',
  made: [],
  of(module) {
    throw new Error(`module ${module} has no engine`);
  },
  failing: async () => [],
  pools: () => new Map(),
  close: async () => undefined,
};

/** One engine for all modules, as the embedded database is. */
export function shareEngine(engine: Engine, owners: readonly SchemaOwner[]): Engines {
  return {
    kind: engine.kind,
    made: [],
    of: () => engine,
    failing: async () => {
      const failure = await failureOf(engine);
      return failure === undefined ? [] : owners.map(({ module }) => ({ module, failure }));
    },
    pools: () => new Map([['all', engine.poolState()]]),
    close: () => engine.close(),
  };
}

async function openOnPostgres(
  database: DatabaseConfig,
  migrate: Config['migrate'],
  owners: readonly SchemaOwner[],
): Promise<Engines> {
  requirePatchedDriver();
  const made = migrate === 'auto' ? await makeRoles(database, owners) : [];
  if (migrate === 'off') await requireRoles(database, owners);
  const engines = new Map<string, PostgresEngine>();
  for (const [index, { module }] of owners.entries()) {
    const share = shareOf(database.poolMax, owners.length, index);
    engines.set(module, openPostgres(loginOf(database, module), share));
  }
  return {
    kind: 'postgres',
    made,
    of(module) {
      const engine = engines.get(module);
      invariant(engine, `module ${module} has an engine`);
      return engine;
    },
    async failing() {
      const looks = [...engines].map(async ([module, engine]) => ({
        module,
        failure: await failureOf(engine),
      }));
      return (await Promise.all(looks)).filter(({ failure }) => failure !== undefined);
    },
    pools: () => new Map([...engines].map(([module, engine]) => [module, engine.poolState()])),
    async close() {
      await Promise.all([...engines.values()].map((engine) => engine.close()));
    },
  };
}

/** The budget in equal parts, the first ones one larger where it does not come out even; at least one each. */
function shareOf(budget: number, parts: number, index: number): number {
  return Math.max(1, Math.floor(budget / parts) + (index < budget % parts ? 1 : 0));
}

async function failureOf(engine: Engine): Promise<unknown> {
  return await engine.check().then(
    () => undefined,
    (error: unknown) => error,
  );
}
