import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Pool } from 'undici';
import { productContract } from '../modules/product/contract.ts';
import { print } from '../src/commands/terminal.ts';
import { createGrpcServer } from '../src/grpc/server.ts';
import { listen } from '../src/http/server.ts';
import type { PeerProtocol } from '../src/peers/peer.ts';
import { createPeers } from '../src/peers/peers.ts';
import { uses } from '../src/rpc/contract.ts';
import { createLocalApi } from '../src/rpc/local.ts';
import { createCallMetrics } from '../src/rpc/observe.ts';
import { createRemoteApi } from '../src/rpc/remote.ts';
import { createCallServer } from '../src/rpc/server.ts';
import { createServiceTokens } from '../src/rpc/service-token.ts';
import { createSkew } from '../src/rpc/skew.ts';
import { createCallTaker, type ServedModule } from '../src/rpc/take-call.ts';

/**
 * What a call between two processes of one machine costs, by each protocol: `product.quote` of three skus, answered
 * from memory, with tokens, deadlines and parsing as the shop has them. `bin/node bench/grpc.ts [seconds]`.
 */
const contract = uses(productContract, 'quote');
const tokens = createServiceTokens('the secret of a benchmark, 32 characters');
const log = pino({ level: 'silent' });
const CONCURRENCY = 32;
const WARM_UP_MS = 1_000;
const input = { skus: ['tea', 'coffee', 'cocoa'], currency: 'EUR' };

if (process.send === undefined) await measureAll(Number(process.argv[2] ?? 5) * 1_000);
else await serve();

/** The other process. */
async function serve(): Promise<void> {
  const api = createLocalApi(contract, {
    quote: async ({ skus, currency }) => ({
      lines: skus.map((sku) => ({ sku, name: `The finest ${sku}`, unitPrice: { amount: 1_250, currency } })),
    }),
  });
  const modules = [{ contract, api: api as ServedModule['api'] }];
  const taker = createCallTaker({ modules, tokens, log });
  const grpc = createGrpcServer({ contracts: [contract], taker, serving: async () => true });
  const server = await listen(createCallServer(taker), { host: '127.0.0.1', port: 0, grpc });
  process.send?.(new URL(server.url).port);
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.once('disconnect', () => process.exit());
}

async function measureAll(durationMs: number): Promise<void> {
  const child: ChildProcess = fork(import.meta.filename);
  const [port] = (await once(child, 'message')) as [string];
  /** Of both processes, in microseconds. */
  const cpuUs = async () => {
    child.send('cpu');
    const [there] = (await once(child, 'message')) as [NodeJS.CpuUsage];
    const here = process.cpuUsage();
    return here.user + here.system + there.user + there.system;
  };
  print('                     one alone, p50        32 at once    CPU of a call, both processes');
  for (const protocol of ['http', 'grpc'] as const) {
    const { call, close } = peerCall(protocol, port);
    await report(`${protocol}:// peer`, call, durationMs, cpuUs);
    await close();
  }
  const { call, close } = connectCall(port);
  await report('Connect, JSON', call, durationMs, cpuUs);
  await close();
  child.disconnect();
}

function peerCall(protocol: PeerProtocol, port: string) {
  const registry = new Registry();
  const addresses = { product: [`${protocol}://127.0.0.1:${port}`] };
  const peers = createPeers({ addresses, log, registry });
  const api = createRemoteApi(contract, {
    caller: 'bench',
    peer: peers.of('product'),
    tokens,
    skew: createSkew(registry, log),
    metrics: createCallMetrics(registry),
    log,
  });
  return { call: () => api.quote(input), close: () => peers.close() };
}

/** As another language's client asks without HTTP/2. */
function connectCall(port: string) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONCURRENCY });
  const call = async () => {
    const { body } = await pool.request({
      method: 'POST',
      path: '/banyan.product.v1.ProductService/Quote',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await tokens.issue('product', { userId: undefined })}`,
      },
      body: JSON.stringify(input),
    });
    return await body.json();
  };
  return { call, close: () => pool.close() };
}

async function report(
  name: string,
  call: () => Promise<unknown>,
  durationMs: number,
  cpuUs: () => Promise<number>,
): Promise<void> {
  await run(call, CONCURRENCY, WARM_UP_MS);
  const alone = await run(call, 1, durationMs);
  const before = await cpuUs();
  const together = await run(call, CONCURRENCY, durationMs);
  const cpu = ((await cpuUs()) - before) / together.length;
  const p50Us = 1_000 * alone.sort((a, b) => a - b)[Math.floor(alone.length / 2)]!;
  const perSecond = together.length / (durationMs / 1_000);
  const cells = [`${p50Us.toFixed(0)} µs`, `${perSecond.toFixed(0)} calls/s`, `${cpu.toFixed(0)} µs`];
  print(name.padEnd(20) + cells.map((cell) => cell.padStart(17)).join(''));
}

/** How long each call took, in milliseconds, with so many under way at any time. */
async function run(call: () => Promise<unknown>, atOnce: number, durationMs: number): Promise<number[]> {
  const took: number[] = [];
  const endsAt = performance.now() + durationMs;
  const lane = async () => {
    for (let beganAt = performance.now(); beganAt < endsAt; beganAt = performance.now()) {
      await call();
      took.push(performance.now() - beganAt);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return took;
}
