import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allModules, createShop } from '../compose.ts';
import { type Config, loadConfig } from '../config.ts';
import type { Shop } from '../shop.ts';
import { createLogger } from '../telemetry/log.ts';
import { databaseConfig } from './database.ts';
import { findFreePort } from './servers/free-port.ts';
import { createTestDatabase, testRedis } from './test-database.ts';

/** One process of a split shop, as far as the shop can tell. */
export interface SplitPart {
  readonly shop: Shop;
  readonly url: string;
  readonly opsUrl: string;
  /** The log's lines, parsed. */
  readonly logged: readonly Record<string, unknown>[];
  stop(): Promise<void>;
}

/** A shop whose modules run apart, on a Postgres database and a Redis that they share. */
export interface SplitShop {
  readonly parts: Readonly<Record<string, SplitPart>>;
  readonly secret: string;
  readonly admin: { readonly email: string; readonly password: string };
  /** Starts a part anew, on the ports that it had. */
  start(name: string): Promise<SplitPart>;
  stop(): Promise<void>;
}

const ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };

/** Starts a part for each entry, with these modules, on real ports of this machine. Needs the `postgres` project. */
export async function startSplit(
  placement: Readonly<Record<string, readonly string[]>>,
  config: Partial<Config> = {},
): Promise<SplitShop> {
  const dataDir = await mkdtemp(join(tmpdir(), 'banyan-split-'));
  const database = await createTestDatabase();
  // Of this shop alone: what it keeps in Redis, which other tests use too, is named after it.
  const secret = `the secret of ${database.name}, which nobody else has`;
  const { url: redisUrl } = testRedis();
  const ports = new Map<string, { port: number; opsPort: number }>();
  for (const name of Object.keys(placement)) {
    ports.set(name, { port: await findFreePort(), opsPort: await findFreePort() });
  }
  const parts: Record<string, SplitPart> = {};

  async function start(name: string): Promise<SplitPart> {
    const modules = placement[name]!;
    const peers: Record<string, string[]> = {};
    for (const { contract } of allModules) {
      const module: string = contract.module;
      if (modules.includes(module)) continue;
      const owners = Object.keys(placement).filter((other) => placement[other]!.includes(module));
      peers[module] = owners.map((owner) => `http://127.0.0.1:${ports.get(owner)!.opsPort}`);
    }
    const logged: Record<string, unknown>[] = [];
    const destination = { write: (line: string) => void logged.push(JSON.parse(line)) };
    const shop = await createShop({
      config: {
        ...loadConfig({ env: {}, flags: { DATA_DIR: dataDir } }),
        database: databaseConfig(database.url),
        redisUrl,
        rateLimit: undefined,
        admin: ADMIN,
        host: '127.0.0.1',
        ...ports.get(name)!,
        modules,
        peers,
        serviceSecret: secret,
        ...config,
      },
      log: createLogger({ level: 'info', destination }),
    });
    const { url, opsUrl } = await shop.start();
    const part = { shop, url, opsUrl, logged, stop: () => shop.stop() };
    parts[name] = part;
    return part;
  }

  for (const name of Object.keys(placement)) await start(name);
  return {
    parts,
    secret,
    admin: ADMIN,
    start,
    async stop() {
      await Promise.all(Object.values(parts).map((part) => part.stop()));
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
