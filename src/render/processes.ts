import { settingProblems } from '../placement/environment.ts';
import { type PlacedInstance, placeInstances } from '../placement/instances.ts';
import type { PlacedProcess, Placement } from '../placement/placement.ts';
import { placementProblems } from '../placement/problems.ts';
import type { Contract } from '../rpc/contract.ts';
import { type SettingName, settingTable } from '../settings.ts';
import { type SecretUse, secretsOf } from './secrets.ts';

/** In every container; nothing else is in there to collide with. */
export const PORT = 8080;
export const OPS_PORT = 9090;
/** Where the image keeps what the shop writes. */
export const DATA_DIR = '/data';

/** A process of a placement as containers run it, in any number. */
export interface RenderedProcess {
  readonly name: string;
  readonly placed: PlacedProcess;
  /** The modules it hosts, by name. */
  readonly modules: readonly string[];
  /** What the placement decides, by variable, as `banyan up` would tell its processes. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>;
  readonly secrets: readonly SecretUse[];
  /** The processes whose operations port it asks, by name. */
  readonly peers: readonly string[];
}

/** The processes of a placement without problems, each found by the others under its own name in DNS. */
export function renderedProcesses(placement: Placement, modules: readonly string[]): RenderedProcess[] {
  return placeInContainers(placement, modules)
    .filter(({ replica }) => replica === 1)
    .map((instance) => ({
      name: instance.process.name,
      placed: instance.process,
      modules: instance.modules,
      settings: instance.settings,
      secrets: secretsOf(placement, instance, modules),
      peers: peersOf(instance),
    }));
}

/** What `banyan up` does on one machine, where each process has an address of its own. */
function placeInContainers(placement: Placement, modules: readonly string[]): PlacedInstance[] {
  return placeInstances(placement, modules, ({ process }) => ({
    settings: {
      PORT: String(PORT),
      // Only the public process is for others than the shop's own.
      ...(process.public ? {} : { HOST: '127.0.0.1' }),
      OPS_PORT: String(OPS_PORT),
      OPS_HOST: '0.0.0.0',
      DATA_DIR,
      // A job of its own migrates, before any process of a new version starts.
      MIGRATE: 'off',
    },
    peer: `http://${process.name}:${OPS_PORT}`,
  }));
}

function peersOf({ settings }: PlacedInstance): string[] {
  const addresses = (settings.PEERS ?? '').split(',').filter(Boolean);
  return [...new Set(addresses.map((peer) => new URL(peer.replace(/^[^=]*=/, '')).hostname))];
}

/** Right values for secrets, which no file holds: what else is wrong with the settings shows all the same. */
const standIns: Readonly<Partial<Record<SettingName, string>>> = {
  REDIS_URL: 'redis://redis',
  SERVICE_SECRET: 'stands in for a secret of 32 characters or more',
  SMTP_URL: 'smtp://mail',
};

/**
 * What is wrong with a placement that is to be rendered, one sentence each; none when it may be. `reserved` are names
 * that its processes cannot have, since what is rendered around them has them.
 */
export function renderProblems(
  placement: Placement,
  contracts: readonly Contract[],
  reserved: readonly string[],
): string[] {
  const modules = contracts.map(({ module }) => module as string);
  const databases = placement.databases === 'shared' ? ['DATABASE_URL'] : modules.map(databaseSettingOf);
  const env = {
    ...standIns,
    ...Object.fromEntries(databases.map((name) => [name, 'postgres://shop@postgres/shop'])),
  };
  return [
    ...placementProblems(placement, contracts),
    ...settingProblems(placement, placeInContainers(placement, modules), { env }),
    ...secretDefaults(placement),
    ...placement.processes
      .filter(({ name }) => reserved.includes(name))
      .map(
        ({ name }) =>
          `${name}: what is rendered beside the processes has this name; name the process otherwise`,
      ),
  ];
}

function databaseSettingOf(module: string): string {
  return `${module.toUpperCase()}_DATABASE_URL`;
}

/** Defaults of a placement are written into files that anybody may read. */
function secretDefaults({ defaults }: Placement): string[] {
  return Object.keys(defaults)
    .filter((name) => settingTable[name as SettingName]?.secret)
    .map((name) => `defaults: ${name} is a secret, which no file may hold`);
}
