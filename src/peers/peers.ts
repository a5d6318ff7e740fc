import { Counter, Gauge, type Registry } from 'prom-client';
import { invariant } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';
import { type PeerLimits, peerLimits } from './limits.ts';
import { createLinks } from './links.ts';
import { createPeer, type Peer } from './peer.ts';
import { dns, type Resolver } from './resolve.ts';
import type { TransportFailure } from './transport-failure.ts';

/** The modules in other processes that this one knows where to find. */
export interface Peers {
  /** Throws for a module without an address. */
  of(module: string): Peer;
  readonly states: ReadonlyMap<string, Peer['state']>;
  /** Lets requests in flight end, up to a limit, and takes no more. */
  close(): Promise<void>;
}

/** `addresses` as PEERS has them. Nothing is dialled before it is needed. */
export function createPeers(options: {
  addresses: Readonly<Record<string, readonly string[]>>;
  log: Logger;
  registry: Registry;
  resolver?: Resolver;
  limits?: Partial<PeerLimits>;
}): Peers {
  const { log, registry, resolver = dns } = options;
  const limits = { ...peerLimits, ...options.limits };
  const labelNames = ['module'] as const;
  const registers = [registry];
  const states = new Gauge({
    name: 'banyan_peer_down',
    help: 'Whether a module in another process is known to be down, so that nobody waits for it.',
    labelNames,
    registers,
  });
  const inFlight = new Gauge({
    name: 'banyan_peer_requests_in_flight',
    help: 'Calls and passed-on requests to a module in another process that are not answered yet.',
    labelNames,
    registers,
  });
  const retries = new Counter({
    name: 'banyan_peer_retries_total',
    help: 'Requests to a module in another process that were sent again.',
    labelNames,
    registers,
  });
  const ejections = new Counter({
    name: 'banyan_peer_ejections_total',
    help: 'How often a process of a module was left out for a while because it gave no answer.',
    labelNames,
    registers,
  });

  const entries = Object.entries(options.addresses).map(([module, addresses]) => {
    const onEject = (origin: string, err: TransportFailure) => {
      ejections.inc({ module });
      log.warn(
        { peer: module, origin, err },
        'a process of a module gave no answer and is left out for a while',
      );
    };
    const links = createLinks({ addresses, resolver, limits, onEject });
    states.set({ module }, 0);
    const peer = createPeer({
      module,
      links,
      limits,
      log,
      events: {
        inFlight: (change) => inFlight.inc({ module }, change),
        retried: () => retries.inc({ module }),
        state: (state) => states.set({ module }, state === 'down' ? 1 : 0),
      },
    });
    return { module, peer, links };
  });
  const byModule = new Map(entries.map(({ module, peer }) => [module, peer]));

  return {
    of(module) {
      const peer = byModule.get(module);
      invariant(peer, `PEERS says where module ${module} is`);
      return peer;
    },
    get states() {
      return new Map(entries.map(({ module, peer }) => [module, peer.state]));
    },
    async close() {
      for (const { peer } of entries) peer.close();
      await Promise.all(entries.map(({ links }) => links.close()));
    },
  };
}
