import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { allModules } from '../compose.ts';
import { invariant } from '../errors.ts';
import type { Api, Contract } from '../rpc/contract.ts';
import { databaseConfig, testEngine } from './database.ts';
import { overWire } from './over-wire.ts';
import { findFreePort } from './servers/free-port.ts';
import { ADMIN, startShop, type TestShop } from './shop.ts';
import { spawnModule } from './spawn-module.ts';
import { createTestDatabase, testRedis } from './test-database.ts';

/** A whole shop, and the module's calls as this runner makes them. */
export interface ContractRun<C extends Contract> {
  readonly api: Api<C>;
  /** The shop's public API, to prepare things and to see what a call did. */
  readonly shop: Pick<TestShop, 'request' | 'signUp' | 'settled'>;
}

type Opened<C extends Contract> = ContractRun<C> & { stop(): Promise<void> };

/**
 * Runs one body of tests about a module's calls in every way that a call can be made: in one process, through the
 * form that calls have between processes with each command delivered twice, and, where there is a Postgres, with the
 * module in a process of its own. `run` gives what the runner has opened, once tests run.
 */
export function describeContract<C extends Contract>(
  contract: C,
  body: (run: () => ContractRun<C>) => void,
): void {
  const runners: Record<string, () => Promise<Opened<C>>> = {
    'in one process': async () => {
      const shop = await startShop();
      return { api: shop.api(contract), shop, stop: shop.stop };
    },
    'through the wire, commands twice': async () => {
      const shop = await startShop();
      return { api: overWire(contract, shop.api(contract)), shop, stop: shop.stop };
    },
    ...(testEngine === 'postgres' && { 'in a process of its own': () => openApart(contract) }),
  };
  describe.each(Object.entries(runners))(`the calls of ${contract.module} %s`, (_, open) => {
    let opened: Opened<C> | undefined;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.stop());
    body(() => {
      invariant(opened, 'a runner is open while its tests run');
      return opened;
    });
  });
}

/** `banyan serve` with the one module, and all others in this process. */
async function openApart<C extends Contract>(contract: C): Promise<Opened<C>> {
  const { module } = contract;
  const rest = allModules.filter((other) => other.contract.module !== module);
  const database = await createTestDatabase();
  const { url: redisUrl } = testRedis();
  // Of this shop alone, as its keys in Redis follow from it.
  const serviceSecret = `the secret of ${database.name}, which nobody else has`;
  const [opsPort, peerPort] = [await findFreePort(), await findFreePort()];
  const dataDir = await mkdtemp(join(tmpdir(), 'banyan-contract-'));
  const shop = await startShop({
    modules: rest,
    known: allModules,
    listens: true,
    config: {
      database: databaseConfig(database.url),
      redisUrl,
      serviceSecret,
      modules: rest.map((other) => other.contract.module as string),
      peers: { [module]: [`http://127.0.0.1:${peerPort}`] },
      host: '127.0.0.1',
      port: 0,
      opsPort,
    },
  });
  const child = await spawnModule(peerPort, {
    DATA_DIR: dataDir,
    MODULES: module,
    PEERS: rest.map((other) => `${other.contract.module}=http://127.0.0.1:${opsPort}`).join(','),
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl,
    SERVICE_SECRET: serviceSecret,
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    LOG_LEVEL: 'warn',
  });
  return {
    api: shop.api(contract),
    shop,
    async stop() {
      await child.end();
      await shop.stop();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
