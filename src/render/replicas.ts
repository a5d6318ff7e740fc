import type { PlacedProcess } from '../placement/placement.ts';
import { settingTable } from '../settings.ts';
import { GROWTH, HTTP_REPLICAS } from './limits.ts';
import type { RenderedProcess } from './processes.ts';

/** How many of a process run on a cluster. */
export interface Replicas {
  readonly atRest: number;
  readonly atMost: number;
}

/** What the placement asks for, and two at least of whatever answers requests. */
export function replicasOf({ replicas, roles }: PlacedProcess): Replicas {
  const atRest = Math.max(replicas, roles.includes('http') ? HTTP_REPLICAS : 1);
  return { atRest, atMost: GROWTH * atRest };
}

/** Connections to Postgres that so many of the processes may hold, all databases together. */
export function connectionsOf(
  processes: readonly RenderedProcess[],
  defaults: Readonly<Record<string, string>>,
  count: (placed: PlacedProcess) => number,
): number {
  const each = Number(defaults.DATABASE_POOL_MAX ?? settingTable.DATABASE_POOL_MAX.default);
  const users = processes.filter(({ modules }) => modules.length > 0);
  return users.reduce((total, { placed }) => total + count(placed) * each, 0);
}
