import { randomBytes } from 'node:crypto';
import { sleep } from '../src/deadline.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, pickNumber } from './fault.ts';
import { checkRetried } from './retried.ts';
import type { ShopProcess } from './shop-process.ts';
import { underLoad } from './under-load.ts';

const modules = ['user', 'product', 'order', 'payment', 'notification'] as const;
type Module = (typeof modules)[number];

/** A module leaves the trunk for a process of its own, or comes back. */
interface Move {
  readonly module: Module;
  readonly to: 'itself' | 'trunk';
}

/** Both come back in the order that the first left them in, so that each is away with and without the other. */
const full: readonly Move[] = [
  { module: 'product', to: 'itself' },
  { module: 'payment', to: 'itself' },
  { module: 'product', to: 'trunk' },
  { module: 'payment', to: 'trunk' },
];
const short: readonly Move[] = [
  { module: 'product', to: 'itself' },
  { module: 'product', to: 'trunk' },
];
const ROUNDS = 3;

/**
 * Moves modules of a trading shop out of its two processes into ones of their own, and back: the new process is
 * started, then the others are replaced one by one. Whoever tries once more notices nothing.
 */
export const fault: Fault = {
  number: 16,
  name: 'move-module',
  run(context) {
    const { random } = context;
    const moves = context.short ? short : Array.from({ length: ROUNDS }, () => full).flat();
    const trunk = createTrunk();
    return underLoad(context, {
      cluster: {
        plans: ['trunk-1', 'trunk-2'].map((name) => ({ name, role: 'http', env: trunk.settings })),
        shared: { SERVICE_SECRET: randomBytes(32).toString('base64') },
      },
      load: { ordersPerSecond: context.short ? 40 : 30, plain: true },
      async inject({ cluster, load }, say) {
        const before = load.attempts.length;
        let replaced = 0;
        for (const [index, { module, to }] of moves.entries()) {
          const step = `move ${index + 1} of ${moves.length}, ${module} to ${to}`;
          say(`${step}: starting`);
          const branch = to === 'itself' ? await trunk.branchOff(cluster, module) : trunk.takeBack(module);
          for (const each of cluster.gateways) {
            say(`${step}: replacing ${each.name}`);
            await each.replace();
            await each.ready();
            replaced += 1;
            await sleep(pickNumber(random, 200, 1_500));
          }
          if (to === 'trunk') await branch.stop();
        }
        const { problems, notes } = checkRetried(load.attempts.slice(before));
        return {
          injected: moves.length + replaced,
          problems,
          notes: [`${moves.length} moves, ${replaced} processes replaced`, ...notes],
        };
      },
    });
  },
};

/** The two processes that everything grows from, and what has left them. */
function createTrunk() {
  const branches = new Map<Module, ShopProcess>();
  let started = 0;
  const isHome = (module: Module) => !branches.has(module);
  return {
    /** Of a process of the trunk that starts now. */
    settings(): Record<string, string> {
      if (branches.size === 0) return bothRoles;
      return {
        ...bothRoles,
        MODULES: modules.filter(isHome).join(),
        PEERS: [...branches].map(([module, { opsUrl }]) => `${module}=${opsUrl}`).join(),
      };
    },
    /** Starts a process that hosts the module; the trunk goes by it once it is replaced. */
    async branchOff(cluster: Cluster, module: Module): Promise<ShopProcess> {
      // As of now: what moves later is not told to it, which is nobody's concern while no client comes to it.
      const peers = modules
        .filter((each) => each !== module)
        .flatMap((each) => {
          const hosts = [branches.get(each) ?? cluster.gateways].flat();
          return hosts.map(({ opsUrl }) => `${each}=${opsUrl}`);
        });
      started += 1;
      const branch = await cluster.add({
        name: `${module}-${started}`,
        role: 'http',
        isPublic: false,
        env: () => ({ ...bothRoles, MODULES: module, PEERS: peers.join() }),
      });
      await branch.ready();
      branches.set(module, branch);
      return branch;
    },
    /** From now on processes of the trunk start with the module; its own process may end when all have. */
    takeBack(module: Module): ShopProcess {
      const branch = branches.get(module);
      if (branch === undefined) throw new Error(`${module} has not left the trunk`);
      branches.delete(module);
      return branch;
    },
  };
}

const bothRoles = { ROLES: 'http,worker' };
