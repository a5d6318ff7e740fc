import type { Config } from './config.ts';
import { invariant } from './errors.ts';
import type { RoutesElsewhere } from './http/app.ts';
import type { Metrics } from './http/metrics.ts';
import type { AnyModule } from './module.ts';
import { createPeers, type Peers } from './peers/peers.ts';
import type { Api, Contract } from './rpc/contract.ts';
import { createCallMetrics, observed } from './rpc/observe.ts';
import { createRemoteApi } from './rpc/remote.ts';
import { createServiceTokens, type ServiceTokens } from './rpc/service-token.ts';
import { createShadow } from './rpc/shadow.ts';
import { createSkew, type Skew } from './rpc/skew.ts';
import type { Logger } from './telemetry/log.ts';

/** How the modules of this process reach all others: by a function call here, over the network elsewhere. */
export interface Calls {
  /** The API of a module, hosted here or not, as `caller` uses it. */
  api(module: string, caller: string): unknown;
  /** The modules that run in other processes, and stand-ins. */
  readonly elsewhere: ReadonlySet<string>;
  /** The routes of the modules that other processes host, as far as this process knows where. */
  forwards(): RoutesElsewhere[];
  readonly peers: Peers;
  /** Undefined without SERVICE_SECRET: no other process calls, nor is called. */
  readonly tokens: ServiceTokens | undefined;
  readonly skew: Skew;
}

export function createCalls(options: {
  config: Pick<Config, 'peers' | 'serviceSecret' | 'serviceSecretAccepted' | 'shadowRatio'>;
  log: Logger;
  metrics: Metrics;
  known: readonly AnyModule[];
  /** Filled while the modules are built, each after those it needs. */
  hosted: ReadonlyMap<string, { readonly api: unknown }>;
  standIns: Readonly<Record<string, unknown>>;
}): Calls {
  const { config, log, hosted, standIns } = options;
  const { registry } = options.metrics;
  const peers = createPeers({ addresses: config.peers, log, registry });
  const { serviceSecret, serviceSecretAccepted } = config;
  const tokens =
    serviceSecret === undefined ? undefined : createServiceTokens(serviceSecret, serviceSecretAccepted);
  const skew = createSkew(registry, log);
  const metrics = createCallMetrics(registry);
  const shadow = createShadow({ ratio: config.shadowRatio, metrics, registry, log });
  const definitions = new Map(options.known.map((module) => [module.contract.module as string, module]));

  function remote(contract: Contract, caller: string): unknown {
    invariant(tokens, `calls of ${contract.module} in another process are signed with SERVICE_SECRET`);
    const peer = peers.of(contract.module);
    const api = createRemoteApi(contract, { caller, peer, tokens, skew, metrics, log });
    return observed(api, { contract, caller, mode: 'remote', metrics });
  }

  return {
    api(module, caller) {
      if (module in standIns) return standIns[module];
      const contract = definitions.get(module)?.contract;
      invariant(contract, `module ${module} is known`);
      const api = hosted.get(module)?.api as Api<Contract> | undefined;
      if (api === undefined) return remote(contract, caller);
      // Measured without the shadow, so that one can be held against calls between processes.
      const measured = observed(api, { contract, caller, mode: 'local', metrics });
      return shadow?.over(measured, { contract, caller }) ?? measured;
    },
    elsewhere: new Set([...Object.keys(standIns), ...definitions.keys()]),
    forwards() {
      return options.known.flatMap(({ contract, routes }) => {
        const { module } = contract;
        if (hosted.has(module) || tokens === undefined || config.peers[module] === undefined) return [];
        return [{ name: module, routes, forward: { peer: peers.of(module), tokens } }];
      });
    },
    peers,
    tokens,
    skew,
  };
}
