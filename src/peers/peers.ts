import type { Registry } from 'prom-client';
import { invariant } from '../errors.ts';
import { platformMetrics } from '../telemetry/catalogue.ts';
import { counterOf, gaugeOf } from '../telemetry/instruments.ts';
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
  const states = gaugeOf(registry, platformMetrics.peerDown);
  const inFlight = gaugeOf(registry, platformMetrics.peerInFlight);
  const retries = counterOf(registry, platformMetrics.peerRetries);
  const ejections = counterOf(registry, platformMetrics.peerEjections);

  const entries = Object.entries(options.addresses).map(([module, addresses]) => {
    const onEject = (origin: string, err: TransportFailure) => {
      ejections.inc({ module });
      log.warn(
        { peer: module, origin, err },
        'a process of a module gave no answer and is left out for a while',
      );
    };
    const links = createLinks({ addresses, resolver, limits, onEject });
    // Known as zero from the start: of a series that appears with its first event nobody sees the rise.
    states.set({ module }, 0);
    inFlight.set({ module }, 0);
    retries.inc({ module }, 0);
    ejections.inc({ module }, 0);
    const peer = createPeer({
      module,
      protocol: addresses.some((address) => address.startsWith('grpc:')) ? 'grpc' : 'http',
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
