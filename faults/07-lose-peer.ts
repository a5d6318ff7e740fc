import { createApiClient } from '../src/commands/api-client.ts';
import { registerAndSignIn, type Session, signIn } from '../src/commands/session.ts';
import { sleep } from '../src/deadline.ts';
import { tryToBuy } from './buyers.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, type FaultContext, pickNumber } from './fault.ts';
import type { Load } from './load.ts';
import { type PeerProxy, startPeerProxy } from './peer-proxy.ts';
import { underLoad } from './under-load.ts';
import { askAt, isHeldDown, type Probe, type Seen, watchPeer } from './watch-peer.ts';

type Module = 'user' | 'product' | 'payment';
type Way = 'killed' | 'stalled' | 'resetting' | 'losing answers';

interface Loss {
  readonly module: Module;
  readonly way: Way;
  readonly forMs: number;
}

/** What only the module can answer, and what the shop answers without it. */
const probes: Readonly<Record<Module, { own: Probe; other: Probe }>> = {
  user: {
    own: { path: '/api/v1/users/me', status: 200 },
    other: { path: '/api/v1/products?limit=1', status: 200 },
  },
  product: {
    own: { path: '/api/v1/products?limit=1', status: 200 },
    other: { path: '/api/v1/users/me', status: 200 },
  },
  payment: {
    // Nobody's payment, so that the payment module is asked and says so.
    own: { path: '/api/v1/payments/019a0000-0000-7000-8000-000000000000', status: 404 },
    other: { path: '/api/v1/products?limit=1', status: 200 },
  },
};
/** From a peer's return until orders are paid, its own answers are good, and nobody is cut off from it. */
const RECOVERED_MS = 10_000;
/** An order's first try may be caught by what is left of the loss, so that others follow. */
const ORDER_EVERY_MS = 250;
const LOOK_MS = 100;
/** The edge answers by 35 s, and a forwarding one a little later. */
const ANSWER_MS = 41_000;
/** Whoever is cut off from a peer is told so without asking it. */
const AT_ONCE_MS = 1_000;
const ROUNDS = 2;

/** Takes a module away from a shop of which each has a process of its own; the others live on, and notice its return. */
export const fault: Fault = {
  number: 7,
  name: 'lose-peer',
  run(context) {
    const { short, random } = context;
    const proxies = new Map<string, PeerProxy>();
    return underLoad(
      { ...context, placement: 'split' },
      {
        placed: {
          async reachedAt(name, opsPort) {
            if (!Object.hasOwn(probes, name)) return opsPort;
            const proxy = await startPeerProxy(opsPort, random);
            proxies.set(name, proxy);
            return proxy.port;
          },
        },
        load: { ordersPerSecond: short ? 30 : 20 },
        async inject({ cluster, load }, say) {
          const client = createApiClient(cluster.gateways[0]!.url, ANSWER_MS);
          const session = await registerAndSignIn(client, watcher);
          const losses = plan(context);
          const problems: string[] = [];
          const found: Lost[] = [];
          for (const [index, loss] of losses.entries()) {
            const name = `loss ${index + 1} of ${losses.length}, ${loss.module} ${loss.way} for ${loss.forMs} ms`;
            say(name);
            const proxy = proxies.get(loss.module)!;
            const lost = await lose({ cluster, load, session, proxy, loss, key: `lost-${index}` });
            problems.push(...lost.problems.map((problem) => `${name}: ${problem}`));
            found.push(lost);
            await sleep(pickNumber(random, 500, 1_500));
          }
          const sum = (of: (proxy: PeerProxy) => number) =>
            [...proxies.values()].reduce((total, proxy) => total + of(proxy), 0);
          return {
            injected: losses.length,
            problems,
            notes: [
              `good again at most ${seconds(found.map(({ recoveredMs }) => recoveredMs))} after the return`,
              `the slowest answer to who needed the module took ${seconds(found.map(({ slowestMs }) => slowestMs))}`,
              `${sum(({ resets }) => resets)} connections reset, ${sum(({ lost }) => lost)} answers lost`,
            ],
          };
        },
      },
    ).finally(async () => {
      for (const proxy of proxies.values()) await proxy.close();
    });
  },
};

/** The longest of some times. */
function seconds(times: readonly number[]): string {
  return `${(Math.max(...times) / 1_000).toFixed(1)} s`;
}

const watcher = {
  username: 'watcher',
  email: 'watcher@example.com',
  password: 'looks at what others do',
};

function plan({ short, random }: FaultContext): readonly Loss[] {
  if (short) {
    return [
      { module: 'product', way: 'killed', forMs: 2_000 },
      { module: 'payment', way: 'losing answers', forMs: 5_000 },
      { module: 'product', way: 'stalled', forMs: 10_000 },
      { module: 'user', way: 'killed', forMs: 2_000 },
      { module: 'payment', way: 'resetting', forMs: 3_000 },
    ];
  }
  const bounds: Readonly<Record<Way, readonly [fromMs: number, toMs: number]>> = {
    killed: [2_000, 10_000],
    stalled: [10_000, 20_000],
    resetting: [3_000, 8_000],
    'losing answers': [4_000, 8_000],
  };
  const all = (Object.keys(bounds) as Way[]).flatMap((way) =>
    (Object.keys(probes) as Module[]).map((module) => ({ module, way })),
  );
  return Array.from({ length: ROUNDS }, () => all)
    .flat()
    .map((each) => ({ ...each, forMs: pickNumber(random, ...bounds[each.way]) }));
}

interface Scene {
  readonly cluster: Cluster;
  readonly load: Load;
  readonly session: Session;
  readonly proxy: PeerProxy;
  readonly loss: Loss;
  /** Begins the keys of orders that are placed to see whether one can. */
  readonly key: string;
}

interface Lost {
  readonly problems: readonly string[];
  readonly recoveredMs: number;
  /** The longest that anybody waited for what the module answers. */
  readonly slowestMs: number;
}

/** Takes the module away and brings it back, and tells what was wrong meanwhile and how long it took to be good again. */
async function lose(scene: Scene): Promise<Lost> {
  const { cluster, load, session, loss } = scene;
  const { module } = loss;
  const gateway = cluster.gateways[0]!;
  const callers = [gateway, ...cluster.http.filter(({ name }) => name === 'order')];
  const token = await session.token();
  const ask = (probe: Probe) => async () => await askAt(gateway, probe, token);
  const { own, other } = probes[module];
  const before = load.acknowledged;
  const watches = [own, other].map((probe) => watchPeer({ module, gateway, callers, ask: ask(probe) }));
  await takeAway(scene);
  const during = load.acknowledged - before;
  const returnedMs = performance.now();
  const problems: string[] = [];
  const goodMs = await Promise.all([
    untilPaid(scene, token),
    untilGood(own.path, async () => (await ask(own)()).status === own.status),
    untilGood('signing in', async () => {
      await signIn(createApiClient(gateway.url, 0), watcher);
      return true;
    }),
    ...callers.map((caller) =>
      untilGood(`${caller.name}'s breaker`, async () => (await isHeldDown(caller, module)) === false),
    ),
  ]).catch((error: unknown) => {
    problems.push(String(error));
    return [performance.now()];
  });
  const [ownSeen, otherSeen] = (await Promise.all(watches.map((watch) => watch.stop()))) as [Seen[], Seen[]];
  problems.push(...checkSeen(ownSeen, own), ...checkUnharmed(otherSeen, other));
  const opened = new Set(watches.flatMap((watch) => [...watch.opened]));
  if (opened.size === 0)
    problems.push(`no breaker of ${callers.map(({ name }) => name).join(' and ')} opened`);
  // Who is signed in needs the user module for nothing.
  if (module === 'user' && during === 0) problems.push('no order was acknowledged');
  return {
    problems,
    recoveredMs: Math.max(...goodMs) - returnedMs,
    slowestMs: Math.max(...ownSeen.map(({ durationMs }) => durationMs)),
  };
}

/** Resolves when the module's process can be reached again and is ready. */
async function takeAway({ cluster, proxy, loss: { module, way, forMs } }: Scene): Promise<void> {
  const victim = cluster.http.find(({ name }) => name === module)!;
  switch (way) {
    case 'killed':
      await proxy.behave('refuse');
      await victim.takeDown();
      await sleep(forMs);
      await proxy.behave('pass');
      victim.start();
      return await victim.ready();
    case 'stalled':
      victim.signal('SIGSTOP');
      await sleep(forMs);
      victim.signal('SIGCONT');
      return;
    case 'resetting':
      await proxy.behave('reset');
      await sleep(forMs);
      return await proxy.behave('pass');
    case 'losing answers':
      // While some come through, what is tried again meets what was done before.
      await proxy.behave('lose some answers');
      await sleep(forMs / 2);
      await proxy.behave('lose answers');
      await sleep(forMs / 2);
      return await proxy.behave('pass');
  }
}

/** Places orders until one is paid; resolves with the moment. */
async function untilPaid({ cluster, key }: Scene, token: string): Promise<number> {
  const { url } = cluster.gateways[0]!;
  let count = 0;
  const paid = Promise.withResolvers<number>();
  const order = async () => {
    count += 1;
    const items = [{ sku: 'PLENTY-1', quantity: 1 }];
    const { status } = await tryToBuy(url, token, `${key}-${count}`, { items, card: 'tok_ok' });
    if (status === 201) paid.resolve(performance.now());
  };
  // One that gets no answer is followed by others.
  const timer = setInterval(() => void order().catch(() => undefined), ORDER_EVERY_MS);
  try {
    return await within('a paid order', paid.promise);
  } finally {
    clearInterval(timer);
  }
}

/** Looks until it is so; resolves with the moment. */
async function untilGood(what: string, isGood: () => Promise<boolean>): Promise<number> {
  let isOver = false;
  const look = async () => {
    while (!isOver && !(await isGood().catch(() => false))) await sleep(LOOK_MS);
    return performance.now();
  };
  return await within(what, look()).finally(() => {
    isOver = true;
  });
}

async function within(what: string, good: Promise<number>): Promise<number> {
  const late = sleep(RECOVERED_MS).then(() => {
    throw new Error(`${what} was not good again within ${RECOVERED_MS} ms`);
  });
  late.catch(() => undefined);
  return await Promise.race([good, late]);
}

/** Every answer of a shop without the module is the right one or a 503 that says when to come back. */
function checkSeen(seen: readonly Seen[], { path, status }: Probe): string[] {
  const problems: string[] = [];
  for (const { outcome, durationMs, retryAfter } of seen) {
    const took = `${Math.round(durationMs)} ms`;
    if (durationMs > ANSWER_MS) problems.push(`${path} took ${took} and ended with ${outcome}`);
    if (outcome === 503 && retryAfter === null) problems.push(`${path} was answered 503 without Retry-After`);
    if (outcome !== 503 && outcome !== status) problems.push(`${path} was answered ${outcome} after ${took}`);
  }
  const told = seen.filter(
    ({ outcome, durationMs, isCutOff }) => isCutOff && outcome === 503 && durationMs < AT_ONCE_MS,
  );
  if (told.length === 0) problems.push(`the gateway told nobody at once that ${path} is away`);
  return problems;
}

/** What needs other modules only is answered as ever. */
function checkUnharmed(seen: readonly Seen[], { path, status }: Probe): string[] {
  const bad = seen.filter(({ outcome }) => outcome !== status);
  return bad.length === 0
    ? []
    : [`${bad.length} of ${seen.length} times ${path} was answered ${bad[0]!.outcome}`];
}
