import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiClient } from './commands/api-client.ts';
import { findPreviousRelease, type PreviousRelease } from './testing/previous-release.ts';
import { findFreePort } from './testing/servers/free-port.ts';
import { runBanyan } from './testing/spawn-banyan.ts';
import { spawnModule } from './testing/spawn-module.ts';
import { createTestDatabase, type TestDatabase, testRedis } from './testing/test-database.ts';

/** What each release's two processes host, so that calls and events go between releases as well. */
const parts = { front: 'user,product,notification', orders: 'order,payment' } as const;
type Part = keyof typeof parts;
type Release = 'old' | 'new';

const ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };
const STOCK = 1_000;
const PATIENCE_MS = 30_000;
const seconds = { timeout: 30_000, interval: 100 };

const previous = findPreviousRelease();

// Without git's history there is no release to come from; then these are left out, and the test run says so.
describe.skipIf(previous === undefined)(`an upgrade from ${previous?.version}, and back`, () => {
  let shop: Awaited<ReturnType<typeof prepareShop>>;
  let customer: string;
  const orders = new Set<string>();

  beforeAll(async () => {
    shop = await prepareShop(previous!);
  });
  afterAll(() => shop?.stop());

  /** Places orders at this release's door, each under a key of its own. */
  async function trade(release: Release, count: number): Promise<void> {
    const first = orders.size;
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) => place(release, `order-${first + index}`)),
    );
    expect(answers.map(({ status, body }) => [status, body.status])).toEqual(
      answers.map(() => [201, 'paid']),
    );
    for (const { body } of answers) orders.add(body.id);
    expect(orders.size).toBe(first + count);
  }

  function place(release: Release, key: string) {
    return shop.client(release).request('POST', '/orders', {
      token: customer,
      headers: { 'idempotency-key': key, prefer: 'wait=30' },
      json: {
        items: [{ sku: 'A', quantity: 1 }],
        currency: 'GBP',
        payment: { method: 'card', token: 'tok_ok' },
      },
    });
  }

  it('begins with the old release, which trades', async () => {
    await shop.start('old');
    const old = shop.client('old');
    const admin = await shop.login('old', ADMIN);
    const variants = [{ sku: 'A', prices: [{ amount: 100, currency: 'GBP' }], onHand: STOCK }];
    const made = await old.request('POST', '/products', { token: admin, json: { name: 'A', variants } });
    expect(made.status).toBe(201);
    const account = { email: 'ada@example.com', password: 'difference engine' };
    await old.request('POST', '/users', { json: { ...account, username: 'ada' } });
    customer = await shop.login('old', account);
    await trade('old', 10);
  });

  it('goes on with the old release on the new schema', async () => {
    const migrated = await runBanyan(['migrate'], shop.settings);
    expect(migrated.err).toBe('');
    expect(migrated.code).toBe(0);
    const known = previous!.migrations();
    const applied = [...migrated.out.matchAll(/^applied (\S+)$/gm)].map(([, name]) => name!);
    expect(applied.filter((name) => known.has(name))).toEqual([]);
    expect((await runBanyan(['migrate'], shop.settings)).out).toBe('nothing to apply\n');
    await trade('old', 10);
  });

  it('trades at both doors while both releases run, and a key names one order at both', async () => {
    await shop.start('new');
    await Promise.all([trade('old', 10), place('new', 'shared')]);
    await trade('new', 10);
    const [atOld, atNew] = [await place('old', 'shared'), await place('new', 'shared')];
    expect(atOld.body.id).toBe(atNew.body.id);
    expect(atOld.headers.get('idempotency-replayed')).toBe('true');
    orders.add(atOld.body.id);
  });

  it('goes on while the old release ends, and without it', async () => {
    const [codes] = await Promise.all([shop.end('old'), trade('new', 10)]);
    expect(codes).toEqual([0, 0]);
    await trade('new', 10);
  });

  it('goes back to the old release on the new schema', async () => {
    await shop.start('old');
    const [codes] = await Promise.all([shop.end('new'), trade('old', 10)]);
    expect(codes).toEqual([0, 0]);
    await trade('old', 10);
  });

  it('loses nothing on the way', async () => {
    const letters = async () => (await readdir(join(shop.folder, 'mail')).catch(() => [])).length;
    await expect.poll(letters, seconds).toBe(orders.size);
    const stock = async () =>
      (await shop.client('old').request('GET', '/products?sku=A')).body.data[0].variants[0].stock;
    await expect.poll(stock, seconds).toMatchObject({ onHand: STOCK - orders.size, reserved: 0 });
    const audit = await runBanyan(['audit'], shop.settings);
    expect([audit.code, audit.out]).toEqual([0, 'audit: every invariant holds\n']);
  });
});

/** A database and a folder for a shop, whose processes of either release are started and ended together. */
async function prepareShop(previous: PreviousRelease) {
  const folder = await mkdtemp(join(tmpdir(), 'banyan-upgrade-'));
  const database: TestDatabase = await createTestDatabase();
  const checkedOut = previous.checkOut();
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: testRedis().url,
    DATA_DIR: folder,
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    RATE_LIMIT: 'off',
  };
  const opsPorts = { old: await twoPorts(), new: await twoPorts() };
  const ports = { old: await findFreePort(), new: await findFreePort() };
  const running = new Map<Release, Awaited<ReturnType<typeof spawnModule>>[]>();

  /** A module's addresses in both releases, whichever of them run. */
  function peersOf(part: Part): string {
    const other = part === 'front' ? 'orders' : 'front';
    return parts[other]
      .split(',')
      .flatMap((module) => Object.values(opsPorts).map((of) => `${module}=http://127.0.0.1:${of[other]}`))
      .join(',');
  }

  const client = (release: Release) => createApiClient(`http://127.0.0.1:${ports[release]}`, PATIENCE_MS);
  return {
    folder,
    settings,
    client,
    async login(release: Release, json: { email: string; password: string }): Promise<string> {
      return (await client(release).request('POST', '/auth/login', { json })).body.accessToken;
    },
    async start(release: Release): Promise<void> {
      const spawnPart = (part: Part) =>
        spawnModule(
          opsPorts[release][part],
          {
            ...settings,
            PORT: part === 'front' ? String(ports[release]) : '0',
            MODULES: parts[part],
            PEERS: peersOf(part),
            SERVICE_SECRET: `the secret of ${database.name}, which nobody else has`,
          },
          release === 'old' ? checkedOut.banyan : undefined,
        );
      running.set(release, await Promise.all([spawnPart('front'), spawnPart('orders')]));
    },
    async end(release: Release): Promise<(number | null)[]> {
      const processes = running.get(release) ?? [];
      running.delete(release);
      return await Promise.all(processes.map((process) => process.end()));
    },
    async stop(): Promise<void> {
      await Promise.all([...running.values()].flat().map((process) => process.end()));
      await database.drop();
      checkedOut.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function twoPorts(): Promise<Readonly<Record<Part, number>>> {
  return { front: await findFreePort(), orders: await findFreePort() };
}
