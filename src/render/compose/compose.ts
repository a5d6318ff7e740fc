import type { Placement } from '../../placement/placement.ts';
import { renderedProcesses } from '../processes.ts';
import { databaseSecrets } from '../secrets.ts';
import type { Scope, Service } from './scope.ts';
import { databaseOf, migration, postgres, redis } from './servers.ts';
import { processService } from './service.ts';

export interface ComposeOptions {
  readonly placement: Placement;
  /** All modules of the shop, by name. */
  readonly modules: readonly string[];
  readonly image: string;
}

/** Names of services beside the processes, where these are all modules. */
export function reservedForCompose(modules: readonly string[]): string[] {
  return ['migrate', 'postgres', 'redis', ...modules.map((module) => `postgres-${module}`)];
}

/** What a Compose file cannot say of a placement, one sentence each. */
export function composeProblems({ defaults }: Placement): string[] {
  return Object.entries(defaults)
    .filter(([, value]) => /[$}]/.test(value))
    .map(
      ([name]) => `defaults: ${name}: Compose would read the $ or the } in it; set it in \`.env\` instead`,
    );
}

/** A Compose file that runs a placement without problems, with a Redis and a Postgres, or one for each module. */
export function renderCompose({ placement, modules, image }: ComposeOptions): object {
  const scope: Scope = { image, defaults: placement.defaults };
  const processes = renderedProcesses(placement, modules);
  const databases = databaseSecrets(placement, modules).map(({ name }) => name);
  const services: Record<string, Service> = {
    migrate: migration(scope, databases),
    redis,
    ...Object.fromEntries(databases.map((name) => [databaseOf(name), postgres(name, scope, processes)])),
    ...Object.fromEntries(processes.map((process) => [process.name, processService(scope, process)])),
  };
  const volumes = ['files', 'redis', ...databases.map(databaseOf)];
  return {
    name: 'banyan',
    services: Object.fromEntries(Object.entries(services).sort(([one], [other]) => (one < other ? -1 : 1))),
    // A database has nobody to call, so there is no way out of its network.
    networks: { data: { internal: true }, outside: {} },
    volumes: Object.fromEntries(volumes.map((name) => [name, {}])),
  };
}
