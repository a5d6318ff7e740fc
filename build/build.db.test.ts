import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createApiClient } from '../src/commands/api-client.ts';
import { registerAndSignIn, signIn } from '../src/commands/session.ts';
import { runBanyan } from '../src/testing/spawn-banyan.ts';
import { createTestDatabase, testRedis } from '../src/testing/test-database.ts';
import { version } from '../src/version.ts';

const run = promisify(execFile);
const admin = { email: 'admin@example.com', password: 'correct horse battery' };
const ada = { email: 'ada@example.com', username: 'ada', password: 'difference engine' };
const settings = {
  ADMIN_EMAIL: admin.email,
  ADMIN_PASSWORD: admin.password,
  HOST: '127.0.0.1',
  PORT: '0',
  OPS_PORT: '0',
};

/** A command and its first arguments. */
type Program = readonly string[];

let folder: string;
const running = new Set<{ kill(): void }>();

async function build(script: string): Promise<void> {
  await run(process.execPath, [join(import.meta.dirname, script), folder]);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-build-'));
});

afterEach(() => {
  for (const program of running) program.kill();
  running.clear();
});

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end, in an empty environment but for `env`. */
function ending([command, ...first]: Program, args: readonly string[], env = {}): Promise<Ending> {
  const ended = Promise.withResolvers<Ending>();
  execFile(command!, [...first, ...args], { env }, (error, out, err) =>
    ended.resolve({ code: error === null ? 0 : Number(error.code), out, err }),
  );
  return ended.promise;
}

/** Starts a command that runs a shop, and resolves when it has printed `sign`, which holds the shop's URL. */
async function start([command, ...first]: Program, args: readonly string[], env: object, sign: RegExp) {
  const child = spawn(command!, [...first, ...args], { env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const program = { kill: () => void child.kill('SIGKILL') };
  running.add(program);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const ended = once(child, 'exit');
  const look = () => (child.exitCode === null ? output : `it has ended: ${output}`);
  await expect.poll(look, { timeout: 60_000 }).toMatch(new RegExp(`${sign.source}|^it has ended`));
  expect(look()).not.toMatch(/^it has ended/);
  return {
    url: output.match(sign)?.[1] ?? '',
    output: () => output,
    async stop(): Promise<number | null> {
      child.kill('SIGTERM');
      const [code] = await ended;
      running.delete(program);
      return code as number | null;
    },
  };
}

/** What `serve` prints about itself once it answers. */
const serving = /shop +(http:\S+)\n(?:.*\n)*.*operations .*\n/;

function opsUrlOf({ output }: { output(): string }): string | undefined {
  return output().match(/(http:\S+)\/metrics/)?.[1];
}

/** Adds a product, registers a customer, and buys: the order's id. */
async function buy(url: string): Promise<string> {
  const client = createApiClient(url, 10_000);
  const staff = await signIn(client, admin);
  const variants = [{ sku: 'A', prices: [{ amount: 495, currency: 'GBP' }], onHand: 9 }];
  const product = { name: 'Party bunting', variants };
  expect(
    await client.request('POST', '/products', { token: await staff.token(), json: product }),
  ).toMatchObject({
    status: 201,
  });
  const customer = await registerAndSignIn(client, ada);
  const order = await client.request('POST', '/orders', {
    token: await customer.token(),
    headers: { 'idempotency-key': 'the only one' },
    json: {
      items: [{ sku: 'A', quantity: 2 }],
      currency: 'GBP',
      payment: { method: 'card', token: 'tok_ok' },
    },
  });
  expect(order).toMatchObject({ status: 201, body: { status: 'paid' } });
  return order.body.id;
}

async function statusOf(url: string, orderId: string): Promise<string> {
  const client = createApiClient(url, 10_000);
  const customer = await signIn(client, ada);
  const order = await client.request('GET', `/orders/${orderId}`, { token: await customer.token() });
  return order.body.status;
}

/** Takes what a shop sends to its collector of traces. */
async function startCollector() {
  const sent: Buffer[] = [];
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => sent.push(chunk));
    request.on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => Buffer.concat(sent).toString('latin1'),
    stop: () => server.close(),
  };
}

/** Sells in a new folder, where everything that is loaded only when it is wanted is wanted; and starts again. */
async function trade(program: Program, dataDir: string): Promise<void> {
  const args = ['serve', '--data-dir', dataDir];
  const collector = await startCollector();
  const env = {
    ...settings,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
  };
  const first = await start(program, args, env, serving);
  const orderId = await buy(first.url);
  expect(await ending(program, ['audit', '--data-dir', dataDir])).toMatchObject({
    code: 0,
    out: expect.stringContaining('every invariant holds'),
  });
  const page = await (await fetch(`${first.url}/docs`)).text();
  const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link);
  expect(links).toHaveLength(4);
  for (const link of [...links, '/openapi.json']) {
    const answer = await fetch(`${first.url}${link}`);
    expect([link, answer.status, (await answer.bytes()).length > 50]).toEqual([link, 200, true]);
  }
  const health = await fetch(`${opsUrlOf(first)}/grpc.health.v1.Health/Check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(await health.json()).toEqual({ status: 'SERVING' });
  expect(await first.stop()).toBe(0);
  expect(collector.received()).toContain('POST /api/v1/orders');
  collector.stop();

  const second = await start(program, args, settings, serving);
  expect(await statusOf(second.url, orderId)).toBe('paid');
  expect(await second.stop()).toBe(0);
}

// A build is for the kind of machine that made it; macOS would want it signed.
describe.skipIf(process.platform !== 'linux')('the executable', () => {
  const chroot = '/usr/sbin/chroot';
  const mayChroot = spawnSync(chroot, ['/', process.execPath, '--version']).status === 0;
  let program: Program;

  /** A root folder with the executable and the libraries that it is linked to, and nothing else. */
  beforeAll(async () => {
    await build('binary.ts');
    const root = join(folder, 'root');
    const executable = join(folder, 'banyan');
    const { stdout } = await run('ldd', [executable]);
    for (const [library] of stdout.matchAll(/\/\S+/g)) {
      mkdirSync(join(root, dirname(library)), { recursive: true });
      copyFileSync(library, join(root, library));
    }
    copyFileSync(executable, join(root, 'banyan'));
    program = mayChroot ? [chroot, root, '/banyan'] : [executable];
  }, 120_000);

  test('is of the version that the source says', async () => {
    expect(await ending(program, ['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  test.each([
    [['--help']],
    [['serve', '--help']],
    [['serve', '--prot', '1']],
    [['serve', '--port', 'x', '--log-level', 'loud']],
    [['audit', '--data-dir', '/nowhere']],
    [['lint', 'spilt']],
    [['lint', 'split']],
    [['graph']],
  ])('answers %j as the source does', async (args) => {
    expect(await ending(program, args)).toEqual(await runBanyan(args));
  });

  test('takes settings from the banyan.yaml beside it', async () => {
    const file = join(mayChroot ? join(folder, 'root') : folder, 'banyan.yaml');
    writeFileSync(file, 'shopping: true\n');
    const { code, err } = await ending(program, ['serve']);
    rmSync(file);
    expect([code, err]).toEqual([78, expect.stringContaining('banyan.yaml line 1')]);
  });

  const where = mayChroot
    ? 'with nothing but its libraries'
    : 'among other files, since this user may not chroot,';
  test(`${where} sells, stops, and has it all at the next start`, { timeout: 120_000 }, async () => {
    await trade(program, mayChroot ? '/data' : join(folder, 'data'));
  });

  test('brings the demo along', { timeout: 120_000 }, async () => {
    const { code, out } = await ending(program, ['demo', '--limit', '3'], {
      TMPDIR: mayChroot ? '/' : folder,
    });
    expect([code, out]).toEqual([0, expect.stringContaining('every invariant holds')]);
  });

  test('runs several processes of itself on Postgres and Redis', { timeout: 180_000 }, async () => {
    const database = await createTestDatabase();
    const env = {
      ...settings,
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: '10',
      REDIS_URL: testRedis().url,
    };
    const place = ['--data-dir', mayChroot ? '/up' : join(folder, 'up')];
    try {
      const workers = await start(program, ['serve', '--workers', '2', ...place], env, serving);
      const orderId = await buy(workers.url);
      const metrics = async () => await (await fetch(`${opsUrlOf(workers)}/metrics`)).text();
      await expect.poll(metrics, { timeout: 30_000 }).toMatch(/process_cpu_seconds_total\{worker="2"\}/);
      expect(await ending(program, ['audit'], env)).toMatchObject({ code: 0 });
      expect(await workers.stop()).toBe(0);

      const placed = await start(program, ['up', 'workers', ...place], env, /ready: (http:\S+)/);
      expect(await statusOf(placed.url, orderId)).toBe('paid');
      expect(await placed.stop()).toBe(0);
      expect(placed.output().match(/"msg":"stopped"/g)).toHaveLength(2);
    } finally {
      for (const program of running) program.kill();
      await database.drop();
    }
  });
});

test('the packed server sells with Node and nothing else', { timeout: 120_000 }, async () => {
  await build('server.ts');
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  await run('tar', ['-xzf', join(folder, `banyan-${version}.tar.gz`), '-C', empty]);
  expect(existsSync(join(empty, 'banyan-server/node_modules'))).toBe(false);
  const program = [process.execPath, join(empty, 'banyan-server/banyan.js')];
  expect(await ending(program, ['--version'])).toMatchObject({ code: 0, out: `${version}\n` });
  await trade(program, join(empty, 'data'));
});
