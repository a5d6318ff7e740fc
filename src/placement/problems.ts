import type { Contract } from '../rpc/contract.ts';
import { settingNames } from '../settings.ts';
import { instancesOf, ownedSettings } from './instances.ts';
import { MAX_REPLICAS } from './limits.ts';
import type { PlacedProcess, Placement } from './placement.ts';

/** A name that a host, a container and a DNS record may have too, with room for the number of a replica. */
const namePattern = /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/;

/**
 * Everything that is wrong with a placement for a shop of these modules, one sentence each; none when it may run.
 * What the processes' settings lack is for `settingProblems`.
 */
export function placementProblems(placement: Placement, contracts: readonly Contract[]): string[] {
  const known = contracts.map(({ module }) => module);
  return [
    ...placement.processes.flatMap((placed) => processProblems(placed, known)),
    ...publicProblems(placement),
    ...sharedNameProblems(placement),
    ...defaultProblems(placement),
    ...contracts.flatMap((contract) => hostProblems(placement, contract, contracts)),
    ...cycleProblems(contracts),
  ];
}

function processProblems(
  { name, modules, roles, replicas }: PlacedProcess,
  known: readonly string[],
): string[] {
  const problems: string[] = [];
  if (!namePattern.test(name)) {
    problems.push(`${name}: a process is named by up to 40 small letters, digits and dashes, a letter first`);
  }
  for (const module of modules === 'all' ? [] : modules) {
    if (!known.includes(module)) {
      problems.push(`${name}: there is no module ${module}, only ${known.join(', ')}`);
    }
  }
  if (new Set(modules).size !== modules.length && modules !== 'all') {
    problems.push(`${name}: a module is named twice`);
  }
  if (roles.length === 0 || new Set(roles).size !== roles.length) {
    problems.push(`${name}: roles are http, worker or both, each once`);
  }
  if (modules.length === 0 && roles.includes('worker')) {
    problems.push(`${name}: a worker without modules has nothing to do`);
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > MAX_REPLICAS) {
    problems.push(`${name}: replicas are a whole number from 1 to ${MAX_REPLICAS}, got ${replicas}`);
  }
  return problems;
}

/** People know one address. */
function publicProblems({ processes }: Placement): string[] {
  const shown = processes.filter((placed) => placed.public);
  if (shown.length !== 1) {
    const found = shown.map(({ name }) => name).join(' and ') || 'none';
    return [`exactly one process is public, the one that people's requests come to: ${found} is`];
  }
  const [{ name, roles }] = shown as [PlacedProcess];
  return roles.includes('http') ? [] : [`${name}: it is public, so it needs the role http`];
}

/** Two replicas of `order` are `order-1` and `order-2`, which may be the name of another process. */
function sharedNameProblems(placement: Placement): string[] {
  const names = instancesOf(placement).map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [...new Set(twice)].map((name) => `${name}: two processes would have this name`);
}

function defaultProblems({ defaults }: Placement): string[] {
  return Object.keys(defaults).flatMap((variable) => {
    if (ownedSettings.some((name) => name === variable)) {
      return [`defaults: ${variable} follows from the placement`];
    }
    if (settingNames.some((name) => name === variable)) return [];
    return [`defaults: ${variable} is not a setting; docs/settings.md lists them`];
  });
}

function hostProblems(
  { processes }: Placement,
  { module, consumes }: Contract,
  contracts: readonly Contract[],
): string[] {
  const isHosted = (role: 'http' | 'worker') =>
    processes.some(
      ({ modules, roles }) => roles.includes(role) && (modules === 'all' || modules.includes(module)),
    );
  const problems: string[] = [];
  if (!isHosted('http')) {
    const callers = contracts
      .filter(({ needs }) => needs.includes(module))
      .map((contract) => contract.module);
    const needed = callers.length === 0 ? '' : `, and ${callers.join(', ')} cannot call it`;
    problems.push(`no process with the role http hosts ${module}: its part of the API is nowhere${needed}`);
  }
  if (!isHosted('worker')) {
    const unheard = consumes.length === 0 ? '' : `, and nobody handles ${consumes.join(', ')} for it`;
    problems.push(
      `no process with the role worker hosts ${module}: its jobs and sagas stand still${unheard}`,
    );
  }
  return problems;
}

/** The first cycle of needs; modules on one could wait for each other for ever. */
function cycleProblems(contracts: readonly Contract[]): string[] {
  const needsOf = new Map(contracts.map(({ module, needs }) => [module, needs]));
  const done = new Set<string>();
  const find = (module: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(module)) return [...path.slice(path.indexOf(module)), module];
    if (done.has(module)) return undefined;
    for (const need of needsOf.get(module) ?? []) {
      const cycle = find(need, [...path, module]);
      if (cycle !== undefined) return cycle;
    }
    done.add(module);
    return undefined;
  };
  for (const { module } of contracts) {
    const cycle = find(module, []);
    if (cycle !== undefined) return [`modules need each other: ${cycle.join(' → ')}`];
  }
  return [];
}
