import type { PeerLimits } from './limits.ts';
import { createLink, type Link } from './link.ts';
import { type Resolver, resolveOrigins } from './resolve.ts';
import { TransportFailure } from './transport-failure.ts';

/** The processes of one module, as DNS and their behaviour tell. */
export interface Links {
  /** The least loaded of those that are not left out, else the one that has been for longest. Fails with a `TransportFailure` when no address is known. */
  choose(): Promise<Link>;
  /** Leaves the link out for a while, and has its name looked up again. */
  failed(link: Link, failure: TransportFailure): void;
  /** Whether there is one that is not left out. */
  readonly someHealthy: boolean;
  /** Asks all of them, and takes back those that live. */
  anyLives(): Promise<boolean>;
  /** Lets requests in flight end, up to a limit. */
  close(): Promise<void>;
}

export function createLinks(options: {
  addresses: readonly string[];
  resolver: Resolver;
  limits: PeerLimits;
  /** Called whenever a link comes to be left out. */
  onEject: (origin: string, failure: TransportFailure) => void;
}): Links {
  const { addresses, resolver, limits, onEject } = options;
  const links = new Map<string, Link>();
  /** Those whose address has gone, with requests in flight. */
  const leaving = new Set<Link>();
  const last = new Map<string, readonly string[]>();
  let closed = false;
  let resolvedAt = Number.NEGATIVE_INFINITY;
  let resolving: Promise<void> | undefined;
  let turn = 0;

  async function resolve(): Promise<void> {
    const origins = await resolveOrigins(addresses, resolver, last);
    resolvedAt = performance.now();
    if (closed) return;
    for (const origin of origins) {
      if (!links.has(origin)) links.set(origin, createLink(origin, limits));
    }
    for (const [origin, link] of links) {
      if (origins.has(origin)) continue;
      links.delete(origin);
      leaving.add(link);
      void link.close().then(() => leaving.delete(link));
    }
  }

  /** What was known last goes on when names cannot be looked up. */
  function refresh(): Promise<void> {
    resolving ??= resolve()
      .catch((error: unknown) => {
        resolvedAt = performance.now();
        if (links.size === 0)
          throw new TransportFailure('no address is known', { sent: false, cause: error });
      })
      .finally(() => {
        resolving = undefined;
      });
    return resolving;
  }

  async function known(): Promise<Link[]> {
    if (closed) throw new TransportFailure('this process stops', { sent: false });
    if (links.size === 0) await refresh();
    else if (performance.now() - resolvedAt > limits.resolveMs) void refresh().catch(() => undefined);
    return [...links.values()];
  }

  return {
    async choose() {
      const all = await known();
      const healthy = all.filter((link) => link.leftOutSince === undefined);
      turn += 1;
      const inTurn = (healthy.length > 0 ? healthy : all).map((link, index, { length }) => ({
        link,
        place: (index + turn) % length,
      }));
      const order = (one: (typeof inTurn)[number], other: (typeof inTurn)[number]) =>
        healthy.length > 0
          ? one.link.inFlight - other.link.inFlight || one.place - other.place
          : one.link.leftOutSince! - other.link.leftOutSince!;
      return inTurn.sort(order)[0]!.link;
    },
    get someHealthy() {
      return [...links.values()].some((link) => link.leftOutSince === undefined);
    },
    failed(link, failure) {
      if (link.eject()) onEject(link.origin, failure);
      // No sooner than another failure could bring anything new.
      if (performance.now() - resolvedAt > limits.probeEveryMs) void refresh().catch(() => undefined);
    },
    async anyLives() {
      const all = await known().catch(() => []);
      void refresh().catch(() => undefined);
      const answers = all.map(async (link) => {
        if (!(await link.lives())) throw new TransportFailure('the process does not answer', { sent: false });
        link.readmit();
      });
      // One is enough: others may be stopped, and take their time to be given up.
      return await Promise.any(answers).then(
        () => true,
        () => false,
      );
    },
    async close() {
      closed = true;
      const all = [...links.values(), ...leaving];
      const cut = setTimeout(() => void Promise.all(all.map((link) => link.destroy())), limits.closeMs);
      await Promise.all(all.map((link) => link.close()));
      clearTimeout(cut);
    },
  };
}
