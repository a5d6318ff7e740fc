import type { SettingName } from '../settings.ts';
import { MAX_REPLICAS } from './limits.ts';
import type { PlacedProcess, Placement } from './placement.ts';

/** One process to run: a placement's process, or one of its replicas. */
export interface ProcessInstance {
  /** The process's name, with the replica's number behind it where there are several: `order`, `order-2`. */
  readonly name: string;
  readonly process: PlacedProcess;
  /** From 1. */
  readonly replica: number;
}

/** Where a process is. */
export interface InstanceAddress {
  /** What makes it listen there: PORT, OPS_PORT and, where it matters, HOST and OPS_HOST. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>;
  /** Its operations port as the other processes reach it, as PEERS takes it. Replicas may share one. */
  readonly peer: string;
}

/** A process with the settings that the placement gives it. */
export interface PlacedInstance extends ProcessInstance {
  /** The modules it hosts, by name. */
  readonly modules: readonly string[];
  /** By variable, always in the same order; everything else comes from whoever starts the process. */
  readonly settings: Readonly<Partial<Record<SettingName, string>>>;
}

/** Settings that a placement decides, whatever else is set. */
export const ownedSettings: readonly SettingName[] = ['MODULES', 'ROLES', 'PEERS', 'WORKERS'];

/** The processes that a placement asks for: the public one first, then as written. */
export function instancesOf({ processes }: Placement): ProcessInstance[] {
  const publicFirst = [...processes].sort((one, other) => Number(other.public) - Number(one.public));
  return publicFirst.flatMap((process) =>
    // A number that `placementProblems` refuses must not fill the memory before it can say so.
    Array.from({ length: Math.min(process.replicas, MAX_REPLICAS) }, (_, index) => ({
      name: process.replicas === 1 ? process.name : `${process.name}-${index + 1}`,
      process,
      replica: index + 1,
    })),
  );
}

/**
 * The processes of a placement without problems, each with its settings. `modules` are all of the shop, and
 * `addressOf` says where a process listens and is found. PEERS names, for each module that a process does not host,
 * every process with the role http that does.
 */
export function placeInstances(
  placement: Placement,
  modules: readonly string[],
  addressOf: (instance: ProcessInstance) => InstanceAddress,
): PlacedInstance[] {
  const instances = instancesOf(placement);
  const hostedBy = ({ process }: ProcessInstance) =>
    modules.filter((module) => process.modules === 'all' || process.modules.includes(module));
  const peerOf = (instance: ProcessInstance) => {
    const { peer } = addressOf(instance);
    return placement.peers === 'grpc' ? peer.replace(/^http:/, 'grpc:') : peer;
  };
  return instances.map((instance) => {
    const hosted = hostedBy(instance);
    const peers = modules
      .filter((module) => !hosted.includes(module))
      .flatMap((module) => {
        const hosts = instances.filter(
          (other) => other.process.roles.includes('http') && hostedBy(other).includes(module),
        );
        return [...new Set(hosts.map((host) => `${module}=${peerOf(host)}`))];
      });
    const settings: Partial<Record<SettingName, string>> = {
      MODULES: hosted.join(','),
      ROLES: instance.process.roles.join(','),
      ...(peers.length === 0 ? {} : { PEERS: peers.join(',') }),
      // A placement has replicas instead.
      WORKERS: '1',
      ...addressOf(instance).settings,
    };
    return { ...instance, modules: hosted, settings };
  });
}
