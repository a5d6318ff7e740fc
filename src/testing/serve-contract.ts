import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createGrpcServer } from '../grpc/server.ts';
import { type Listener, listen } from '../http/server.ts';
import type { PeerProtocol } from '../peers/peer.ts';
import { createPeers, type Peers } from '../peers/peers.ts';
import type { Api, Contract } from '../rpc/contract.ts';
import { createCallMetrics } from '../rpc/observe.ts';
import { createRemoteApi } from '../rpc/remote.ts';
import { createCallServer } from '../rpc/server.ts';
import { createServiceTokens, type ServiceTokens } from '../rpc/service-token.ts';
import { createSkew, type Skew } from '../rpc/skew.ts';
import { createCallTaker, type ServedModule } from '../rpc/take-call.ts';
import type { Logger } from '../telemetry/log.ts';

/** A module behind a port of this machine, as an operations port serves its calls. */
export interface ServedContract<C extends Contract> {
  readonly port: number;
  readonly tokens: ServiceTokens;
  /** Its calls as another process makes them, by plain HTTP or as gRPC. */
  readonly api: Api<C>;
  /** The same over other peers. */
  apiOver(peers: Peers): Api<C>;
  readonly skew: Skew;
  readonly server: Listener;
  stop(): Promise<void>;
}

/** `there`: the contract as it is served, if not as the caller knows it; `hosted`: whether the module runs there. */
export async function serveContract<C extends Contract>(
  contract: C,
  api: unknown,
  options: { protocol: PeerProtocol; there?: Contract; hosted?: boolean; log?: Logger },
): Promise<ServedContract<C>> {
  const { protocol, there = contract, hosted = true, log = pino({ level: 'silent' }) } = options;
  const tokens = createServiceTokens('the secret of a module that a test serves');
  const modules = hosted ? [{ contract: there, api: api as ServedModule['api'] }] : [];
  const taker = createCallTaker({ modules, tokens, log });
  const server = await listen(createCallServer(taker), {
    host: '127.0.0.1',
    port: 0,
    grpc: createGrpcServer({ contracts: [there], taker, serving: async () => hosted }),
  });
  const port = Number(new URL(server.url).port);
  const registry = new Registry();
  const peers = createPeers({
    addresses: { [contract.module]: [`${protocol}://127.0.0.1:${port}`] },
    log,
    registry,
  });
  const skew = createSkew(registry, log);
  const metrics = createCallMetrics(registry);
  const apiOver = (over: Peers) =>
    createRemoteApi(contract, {
      caller: 'test',
      peer: over.of(contract.module),
      tokens,
      skew,
      metrics,
      log,
    });
  return {
    port,
    tokens,
    api: apiOver(peers),
    apiOver,
    skew,
    server,
    async stop() {
      await peers.close();
      await server.close();
    },
  };
}
