import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { allModules, createShop } from '../compose.ts';
import { type Config, loadConfig } from '../config.ts';
import type { Database } from '../database/database.ts';
import { shareEngine } from '../database/engines.ts';
import { sleep } from '../deadline.ts';
import { invariant } from '../errors.ts';
import type { Role } from '../http/route.ts';
import type { AnyModule } from '../module.ts';
import type { Api, Contract } from '../rpc/contract.ts';
import type { Shop } from '../shop.ts';
import { databaseConfig, openInMemory, testEngine } from './database.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of many shapes.
  readonly body: any;
}

export interface TestRequest {
  readonly token?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Sent as it is. */
  readonly raw?: RequestInit['body'];
}

export interface TestShop {
  readonly shop: Shop;
  readonly dataDir: string;
  /** `path` is below /api/v1, unless it starts with /api or /.well-known or another absolute root given whole. */
  request(method: string, path: string, options?: TestRequest): Promise<TestAnswer>;
  /** A fresh user, signed in. In a shop without the user module, a token of the harness's own key. */
  signUp(role?: Role): Promise<{ userId: string; token: string }>;
  api<C extends Contract>(contract: C): Api<C>;
  database(module: string): Database;
  /** Resolves when no due delivery, saga or job is left; rejects after 30 s. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestShopOptions {
  readonly modules?: readonly AnyModule[];
  /** All modules of the shop, with those that `config.peers` says where they run; default: the hosted ones. */
  readonly known?: readonly AnyModule[];
  /** Whether other processes reach it, on the ports of `config`. */
  readonly listens?: boolean;
  /** Stand-ins for modules that are not hosted: module name → its calls. */
  readonly fakes?: Readonly<Record<string, object>>;
  readonly config?: Partial<Config>;
  /** After how long without progress a loop or a pool counts as stuck. */
  readonly stuckMs?: number;
  /** Keeps files, and the database, for another shop of the same folder; `removeShop` removes both. */
  readonly dataDir?: string;
}

export const ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };

/** The databases of the shops that keep theirs, by folder. */
const kept = new Map<string, TestDatabase>();

/** Removes what shops started with this `dataDir` have left. */
export async function removeShop(dataDir: string): Promise<void> {
  await kept.get(dataDir)?.drop();
  await rm(dataDir, { recursive: true, force: true });
}

/** Starts a shop, by itself without ports, in memory or on a Postgres database of its own. Stop it when done. */
export async function startShop(options: TestShopOptions = {}): Promise<TestShop> {
  const modules = options.modules ?? allModules;
  const files = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'banyan-test-')));
  const needsOwn = testEngine === 'postgres' && options.config?.database === undefined;
  const made = needsOwn ? (kept.get(files) ?? (await createTestDatabase())) : undefined;
  if (made && options.dataDir !== undefined) kept.set(files, made);
  const config: Config = {
    ...loadConfig({ env: {}, flags: { DATA_DIR: files } }),
    database: made && databaseConfig(made.url),
    rateLimit: undefined,
    logLevel: 'silent',
    admin: ADMIN,
    ...options.config,
  };
  const hasUsers = (options.known ?? modules).some((module) => module.contract.module === 'user');
  const keys = hasUsers ? undefined : await createTestKeys(config);
  const shop = await createShop({
    config,
    log: pino({ level: config.logLevel }),
    modules,
    known: options.known,
    stuckMs: options.stuckMs,
    elsewhere: {
      ...options.fakes,
      ...(keys && { user: { jwks: async () => keys.jwks, ...options.fakes?.user } }),
    },
    engines:
      options.dataDir === undefined && testEngine === 'embedded'
        ? shareEngine(
            await openInMemory(),
            modules.map(({ contract, schema }) => ({ module: contract.module, schema })),
          )
        : undefined,
  });
  await shop.start({ listen: options.listens ?? false });
  let adminToken: string | undefined;

  async function request(method: string, path: string, given: TestRequest = {}): Promise<TestAnswer> {
    const absolute = /^\/(api|\.well-known|livez|readyz|health|openapi|docs)/.test(path);
    const headers = new Headers(given.headers);
    if (given.token) headers.set('authorization', `Bearer ${given.token}`);
    if (given.body !== undefined && !headers.has('content-type'))
      headers.set('content-type', 'application/json');
    const response = await shop.publicApp.request(absolute ? path : `/api/v1${path}`, {
      method,
      headers,
      body: given.raw ?? (given.body === undefined ? undefined : JSON.stringify(given.body)),
      // Required of a body that is a stream.
      duplex: 'half',
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  }

  async function logIn(email: string, password: string): Promise<string> {
    const answer = await request('POST', '/auth/login', { body: { email, password } });
    invariant(answer.status === 200, `login of ${email}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body.accessToken;
  }

  async function register(role: Role): Promise<{ userId: string; token: string }> {
    const name = `user-${uuidv7()}`;
    const account = {
      email: `${name}@example.com`,
      username: name.slice(-30),
      password: 'a long enough password',
    };
    const made = await request('POST', '/users', { body: account });
    invariant(made.status === 201, `registration: ${made.status} ${JSON.stringify(made.body)}`);
    if (role !== 'customer') {
      adminToken ??= await logIn(config.admin?.email ?? '', config.admin?.password ?? '');
      const raised = await request('PUT', `/users/${made.body.id}/role`, {
        token: adminToken,
        body: { role },
      });
      invariant(raised.status === 200, `role: ${raised.status} ${JSON.stringify(raised.body)}`);
    }
    return { userId: made.body.id, token: await logIn(account.email, account.password) };
  }

  return {
    shop,
    dataDir: files,
    request,
    async signUp(role = 'customer') {
      return keys ? await keys.issue(uuidv7(), role) : await register(role);
    },
    api: (contract) => shop.api(contract),
    database(name) {
      const module = shop.modules.find((hosted) => hosted.name === name);
      invariant(module, `module ${name} is hosted`);
      return module.database;
    },
    async settled() {
      const endsAt = performance.now() + 30_000;
      for (;;) {
        const open = await Promise.all(shop.modules.map((module) => countOpen(module.database)));
        if (open.every((count) => count === 0)) return;
        invariant(performance.now() < endsAt, `work ends: ${open.join(', ')} left`);
        await sleep(20);
      }
    },
    async stop() {
      await shop.stop();
      if (options.dataDir !== undefined) return;
      await made?.drop();
      await removeShop(files);
    },
  };
}

/** Deliveries, sagas and jobs that are to go on by themselves now; those that wait for a later time do not count. */
async function countOpen(database: Database): Promise<number> {
  const schema = sql.identifier(database.schema);
  const [row] = await database.rows<{ count: number }>(sql`
    select (select count(*) from ${schema}.delivery where state in ('pending', 'leased'))
      + (select count(*) from ${schema}.saga where state <> 'done' and not waiting)
      + (select count(*) from ${schema}.job where state in ('queued', 'running')) as count`);
  return row?.count ?? 0;
}

async function createTestKeys(config: Config) {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'test', alg: 'EdDSA', use: 'sig' };
  return {
    jwks: { keys: [jwk] as Record<string, unknown>[] },
    async issue(userId: string, role: Role) {
      const token = await new SignJWT({ role })
        .setProtectedHeader({ alg: 'EdDSA', kid: 'test', typ: 'at+jwt' })
        .setSubject(userId)
        .setIssuer(config.token.issuer)
        .setAudience(config.token.audience)
        .setIssuedAt()
        .setExpirationTime('15m')
        .setJti(uuidv7())
        .sign(privateKey);
      return { userId, token };
    },
  };
}
