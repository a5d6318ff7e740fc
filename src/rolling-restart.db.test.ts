import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pickPorts } from './commands/pick-ports.ts';
import { sleep } from './deadline.ts';
import { makeCertificate, type TestCertificate } from './testing/certificate.ts';
import { spawnModule } from './testing/spawn-module.ts';
import { createTestDatabase, type TestDatabase } from './testing/test-database.ts';

/** Balancers ask for readiness every so often; those of this test do so more often than real ones. */
const LOOK_MS = 100;
const DRAIN_SECONDS = 2;
const CLIENTS = 4;

const admin = { email: 'admin@example.com', password: 'correct horse battery' };

interface Process {
  readonly port: number;
  readonly opsPort: number;
  /** Keeps connections, as balancers do, and tries nothing twice. */
  readonly agent: Agent;
  isReady: boolean;
  running: { end(): Promise<number | null> };
}

interface Answer {
  readonly status: number | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of several routes.
  readonly body: any;
}

let folder: string;
let pair: TestCertificate;
let database: TestDatabase;
let processes: Process[];
let isOver = false;
let looking: Promise<unknown>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-rolling-'));
  pair = makeCertificate(folder);
  database = await createTestDatabase();
  const first = await pickPorts(4);
  processes = [];
  for (const index of [0, 1]) {
    const [port, opsPort] = [first + 2 * index, first + 2 * index + 1];
    const agent = new Agent({ keepAlive: true, ca: pair.pem });
    processes.push({ port, opsPort, agent, isReady: true, running: await start(port, opsPort) });
  }
  looking = Promise.all(processes.map(look));
});

afterAll(async () => {
  isOver = true;
  await looking;
  for (const { agent, running } of processes) {
    agent.destroy();
    await running.end();
  }
  await database.drop();
  rmSync(folder, { recursive: true });
});

function start(port: number, opsPort: number): Promise<Process['running']> {
  return spawnModule(opsPort, {
    PORT: String(port),
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    TLS_CERT: pair.certFile,
    TLS_KEY: pair.keyFile,
    DRAIN_SECONDS: String(DRAIN_SECONDS),
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
  });
}

function ask(
  { port, agent }: Process,
  method: string,
  path: string,
  given: { token?: string; key?: string; body?: object } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = {
    ...(given.token && { authorization: `Bearer ${given.token}` }),
    ...(given.key && { 'idempotency-key': given.key }),
    ...(given.body && { 'content-type': 'application/json' }),
  };
  request({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
    text(response).then((body) => resolve({ status: response.statusCode, body: JSON.parse(body) }), reject);
  })
    .on('error', reject)
    .end(given.body && JSON.stringify(given.body));
  return promise;
}

/** As the balancer sees it: by its answers alone. */
async function look(process: Process): Promise<void> {
  while (!isOver) {
    const ready = await ask(process, 'GET', '/readyz').catch(() => undefined);
    process.isReady = ready?.status === 200;
    await sleep(LOOK_MS);
  }
}

let turn = 0;

/** To the processes by turns, to those alone that are ready. */
function send(
  ...call: Parameters<typeof ask> extends [Process, ...infer Rest] ? Rest : never
): Promise<Answer> {
  const ready = processes.filter(({ isReady }) => isReady);
  turn += 1;
  return ask(ready[turn % ready.length]!, ...call);
}

test('a balanced shop whose processes are replaced one by one loses no request, and nothing is sent twice', async () => {
  const { body: tokens } = await send('POST', '/api/v1/auth/login', { body: admin });
  const token: string = tokens.accessToken;
  const variants = [{ sku: 'A', prices: [{ amount: 100, currency: 'GBP' }], onHand: 100_000 }];
  const product = { name: 'Always there', variants };
  expect((await send('POST', '/api/v1/products', { token, body: product })).status).toBe(201);

  const failures: string[] = [];
  let answered = 0;
  let isRolling = true;
  const order = {
    items: [{ sku: 'A', quantity: 1 }],
    currency: 'GBP',
    payment: { method: 'card', token: 'tok_ok' },
  };
  const trading = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let number = 0; isRolling; number += 1) {
      const wanted = number % 2 === 0 ? 200 : 201;
      const sent =
        wanted === 200
          ? send('GET', '/api/v1/products')
          : send('POST', '/api/v1/orders', { token, key: `${client}-${number}`, body: order });
      const outcome = await sent.then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      );
      if (outcome !== String(wanted)) failures.push(outcome);
      answered += 1;
    }
  });
  for (const process of processes) {
    const before = answered;
    expect(await process.running.end()).toBe(0);
    process.running = await start(process.port, process.opsPort);
    await expect.poll(() => process.isReady, { timeout: 30_000 }).toBe(true);
    expect(answered).toBeGreaterThan(before);
  }
  isRolling = false;
  await Promise.all(trading);
  expect(failures).toEqual([]);
});
