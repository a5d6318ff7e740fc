import { NOBODYS_HASH } from '../../modules/user/password-hash.ts';
import { createPasswords } from '../../modules/user/passwords.ts';
import { createApiClient } from '../../src/commands/api-client.ts';
import { fillCatalogue } from '../catalogue.ts';
import { figure, inTurn } from '../in-turn.ts';
import { createLatencies } from '../load/latencies.ts';
import { startLoad } from '../load/load.ts';
import type { Work } from '../load/plan.ts';
import { type Shop, startServers, startShop } from '../stack.ts';
import type { Suite } from '../suite.ts';

const PATIENCE_MS = 30_000;
/** Tries of one account wait for each other, so there are more accounts than clients. */
const ACCOUNTS = 40;
const AT_ONCE = 8;
/** Reads beside the sign-ins: few, so that it is seen what those do to them. */
const READ_CLIENTS = 4;
const READS_PER_SECOND = 200;

export const loginSuite: Suite = {
  name: 'login',
  about: `signing in, alone and ${AT_ONCE} at once, beside argon2 alone, and what reads notice of it`,
  async run(bench) {
    const servers = await startServers(bench);
    const shop = await startShop(bench, servers, await servers.createDatabase('login'));
    await fillCatalogue(bench, shop, 1);
    const work: Work = {
      kind: 'send',
      method: 'POST',
      path: '/api/v1/auth/login',
      bodies: await register(shop, ACCOUNTS),
      status: 200,
    };
    const load = startLoad(bench);
    const readLoad = startLoad(bench);
    const { url } = shop;
    const { seconds } = bench;
    const signIns = (clients: number) => load.run({ url, clients, seconds, work });
    const paths = [await productPath(shop)];
    const reads = () =>
      readLoad.run({
        url,
        clients: READ_CLIENTS,
        seconds,
        pace: READS_PER_SECOND,
        work: { kind: 'get', paths },
      });
    const measured = await inTurn(
      {
        hash1: () => hash(1, seconds),
        login1: async () => rateAndP50(await signIns(1)),
        hash8: () => hash(AT_ONCE, seconds),
        login8: async () => rateAndP50(await signIns(AT_ONCE)),
        reads: async () => ({ p99Ms: (await reads()).p99Ms }),
        readsBeside: async () => ({ p99Ms: (await Promise.all([reads(), signIns(AT_ONCE)]))[0].p99Ms }),
      },
      { rounds: bench.rounds, say: bench.say },
    );
    const { hash1, login1, hash8, login8 } = measured;
    const argon2 = 'the limit is argon2 alone';
    return [
      figure('login.c1', 'logins/s', login1.rate, hash1.rate, argon2),
      figure('login.c1.p50', 'ms', login1.p50Ms, hash1.p50Ms),
      figure(`login.c${AT_ONCE}`, 'logins/s', login8.rate, hash8.rate, argon2),
      figure(`login.c${AT_ONCE}.p50`, 'ms', login8.p50Ms, hash8.p50Ms),
      figure(
        'login.read.p99',
        'ms',
        measured.readsBeside.p99Ms,
        measured.reads.p99Ms,
        `a hot read, ${READS_PER_SECOND}/s, beside ${AT_ONCE} clients who sign in; the limit is without them`,
      ),
    ];
  },
};

function rateAndP50({ rate, p50Ms }: { rate: number; p50Ms: number }) {
  return { rate, p50Ms };
}

/** The check of a password as a sign-in makes it, in this process, while the shop has nothing to do. */
async function hash(atOnce: number, seconds: number): Promise<{ rate: number; p50Ms: number }> {
  const passwords = createPasswords({ atOnce, queue: 0 });
  const latencies = createLatencies();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1_000;
  const lane = async () => {
    for (let at = performance.now(); at < endsAt; at = performance.now()) {
      await passwords.matches(NOBODYS_HASH, 'a long enough password');
      latencies.add(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const took = (performance.now() - startedAt) / 1_000;
  return { rate: latencies.count / took, p50Ms: latencies.summary().p50Ms };
}

/** New accounts; what each sends to sign in. */
async function register(shop: Shop, count: number): Promise<string[]> {
  const client = createApiClient(shop.url, PATIENCE_MS);
  const accounts = Array.from({ length: count }, (_, index) => ({
    username: `login-${index}`,
    email: `login-${index}@example.com`,
    password: 'a long enough password',
  }));
  for (const account of accounts) {
    const { status } = await client.request('POST', '/users', { json: account });
    if (status !== 201) throw new Error(`${account.username} could not be registered: ${status}`);
  }
  return accounts.map(({ email, password }) => JSON.stringify({ email, password }));
}

async function productPath(shop: Shop): Promise<string> {
  const { body } = await createApiClient(shop.url, PATIENCE_MS).request('GET', '/products?limit=1');
  return `/api/v1/products/${body.data[0].id}`;
}
