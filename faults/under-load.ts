import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts';
import type { FaultContext, FaultResult } from './fault.ts';
import { type Load, type LoadOptions, startLoad } from './load.ts';
import { type PlacedOptions, placeProcesses } from './placed.ts';
import type { ShopProcess } from './shop-process.ts';
import { judge } from './verdict.ts';

/** What a fault did. */
export interface Injection {
  readonly injected: number;
  readonly problems?: readonly string[];
  readonly notes?: readonly string[];
}

export interface UnderLoad {
  readonly cluster: Cluster;
  readonly load: Load;
}

/** Orders that must be handled for a verdict to mean something. */
const ORDERS = 500;
/** Before the first injection, so that there is something to break. */
const WARM_UP = 20;
const SAY_MS = 2_000;

/**
 * Runs a shop under load, injects the fault, lets the load go on until enough orders are handled, and judges. `inspect`
 * looks at the shop after everything has settled, and tells what else is wrong.
 */
export async function underLoad(
  context: FaultContext,
  options: {
    cluster?: Omit<ClusterOptions, 'folder'>;
    /** How a placement is placed, where the fault is to run in one. */
    placed?: PlacedOptions;
    load?: Partial<Pick<LoadOptions, 'lanes' | 'ordersPerSecond' | 'attemptMs' | 'plain'>>;
    /** Which gateways the load goes to; all unless given. */
    through?: (process: ShopProcess) => boolean;
    settleMs?: number;
    inject: (running: UnderLoad, say: FaultContext['say']) => Promise<Injection>;
    inspect?: (running: UnderLoad) => Promise<Pick<Injection, 'problems' | 'notes'>>;
  },
): Promise<FaultResult> {
  context.say('starting');
  const { folder, placement } = context;
  const placed = placement === undefined ? {} : await placeProcesses(placement, options.placed);
  const cluster = await startCluster({ ...options.cluster, ...placed, folder });
  try {
    const urls = cluster.gateways.filter(options.through ?? (() => true)).map((each) => each.url);
    const load = await startLoad({ urls, admin: cluster.admin, seed: context.seed, ...options.load });
    let stage = 'warming up';
    const say = (text: string) => {
      stage = text;
      context.say(`${load.acknowledged} orders, ${text}`);
    };
    const timer = setInterval(() => say(stage), SAY_MS);
    try {
      await load.reached(WARM_UP);
      const injection = await options.inject({ cluster, load }, say);
      say(`injected ${injection.injected}, going on to ${ORDERS} orders`);
      await load.reached(Math.max(ORDERS, load.acknowledged + WARM_UP));
      const verdict = await judge(cluster, load, { settleMs: options.settleMs, say });
      const more = await options.inspect?.({ cluster, load });
      return {
        ...verdict,
        injected: injection.injected,
        problems: [...(injection.problems ?? []), ...verdict.problems, ...(more?.problems ?? [])],
        notes: [...(injection.notes ?? []), ...verdict.notes, ...(more?.notes ?? [])],
      };
    } finally {
      clearInterval(timer);
      await load.stop().catch(() => undefined);
    }
  } finally {
    await cluster.stop();
  }
}
