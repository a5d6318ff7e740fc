import { randomBytes } from 'node:crypto';
import { allModules } from '../src/compose.ts';
import { instancesOf, type ProcessInstance, placeInstances } from '../src/placement/instances.ts';
import { type PlacedProcess, readPlacement } from '../src/placement/placement.ts';
import type { ClusterOptions, ProcessPlan } from './cluster.ts';
import { takePort } from './ports.ts';

export interface PlacedOptions {
  /** How many of a process run; two of each that clients come to, and one of all others, unless given. */
  readonly replicas?: (process: PlacedProcess) => number;
  /** The port at which others reach a process with this operations port; the same unless given. */
  readonly reachedAt?: (name: string, opsPort: number) => Promise<number>;
}

/** The processes of a placement in deploy/placements, as `banyan up` would start them. */
export async function placeProcesses(
  placementName: string,
  { replicas = ({ public: isPublic }) => (isPublic ? 2 : 1), reachedAt }: PlacedOptions = {},
): Promise<Pick<ClusterOptions, 'plans' | 'shared'>> {
  const written = readPlacement(placementName);
  const processes = written.processes.map((each) => ({ ...each, replicas: replicas(each) }));
  const placement = { ...written, processes };
  const places = new Map<string, { port: number; opsPort: number; peerPort: number }>();
  for (const { name, process } of instancesOf(placement)) {
    const [port, opsPort] = [await takePort(), await takePort()];
    const isPeer = process.roles.includes('http');
    const peerPort = isPeer ? ((await reachedAt?.(name, opsPort)) ?? opsPort) : opsPort;
    places.set(name, { port, opsPort, peerPort });
  }
  const addressOf = ({ name }: ProcessInstance) => ({
    settings: {},
    peer: `http://127.0.0.1:${places.get(name)!.peerPort}`,
  });
  const modules = allModules.map(({ contract }): string => contract.module);
  const plans = placeInstances(placement, modules, addressOf).map(
    ({ name, process, settings }): ProcessPlan => ({
      name,
      role: process.roles.includes('http') ? 'http' : 'worker',
      isPublic: process.public,
      ports: places.get(name),
      env: () => settings as Record<string, string>,
    }),
  );
  return {
    plans,
    shared: { ...placement.defaults, SERVICE_SECRET: randomBytes(32).toString('base64') },
  };
}
