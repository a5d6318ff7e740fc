import type { Config } from './config.ts';
import { invariant } from './errors.ts';
import type { Subscribers } from './events/outbox.ts';
import type { AnyModule } from './module.ts';
import type { Contract } from './rpc/contract.ts';

/**
 * The modules in an order in which each comes after those it needs. Throws when needs form a cycle, or name a
 * module that is neither among `modules` nor in `elsewhere`.
 */
export function sortByNeeds(modules: readonly AnyModule[], elsewhere: ReadonlySet<string>): AnyModule[] {
  const byName = new Map(modules.map((module) => [module.contract.module as string, module]));
  const sorted: AnyModule[] = [];
  const visit = (module: AnyModule, path: readonly string[]): void => {
    const name: string = module.contract.module;
    invariant(!path.includes(name), `needs are acyclic: ${[...path, name].join(' → ')}`);
    if (sorted.includes(module)) return;
    for (const need of Object.keys(module.needs)) {
      const needed = byName.get(need);
      invariant(needed || elsewhere.has(need), `${name} needs ${need}, which is hosted or known elsewhere`);
      if (needed) visit(needed, [...path, name]);
    }
    sorted.push(module);
  };
  for (const module of modules) visit(module, []);
  return sorted;
}

/**
 * What a process cannot reach, one sentence for each module without an address in PEERS: with the http role every
 * module with routes that it does not host, since it serves the whole API, and with any role what its modules call.
 */
export function missingPeers(
  modules: readonly Pick<AnyModule, 'contract' | 'routes'>[],
  placement: Pick<Config, 'modules' | 'peers' | 'roles'>,
): string[] {
  const isHosted = (module: string) => placement.modules?.includes(module) ?? true;
  const contracts: Contract[] = modules.map(({ contract }) => contract);
  const callersOf = (module: string) =>
    contracts.filter((caller) => isHosted(caller.module) && caller.needs.includes(module));
  return modules.flatMap(({ contract, routes }) => {
    const module: string = contract.module;
    if (isHosted(module) || placement.peers[module] !== undefined) return [];
    const callers = callersOf(module).map((caller) => caller.module);
    const isServed = placement.roles.includes('http') && Object.keys(routes).length > 0;
    if (callers.length === 0 && !isServed) return [];
    const reason =
      callers.length > 0 ? `${callers.join(', ')} calls it` : 'its part of the API is served here';
    return [`PEERS: no address of module ${module}, which does not run here: ${reason}`];
  });
}

/** Who handles which event type, from the contracts of all modules, hosted here or not. */
export function subscribersOf(contracts: readonly Contract[]): Subscribers {
  const subscribers = new Map<string, string[]>();
  for (const contract of contracts) {
    for (const type of contract.consumes) {
      subscribers.set(type, [...(subscribers.get(type) ?? []), contract.module]);
    }
  }
  return subscribers;
}
