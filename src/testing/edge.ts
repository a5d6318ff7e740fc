import type { Hono } from 'hono';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { uuidv7 } from 'uuidv7';
import type { Config } from '../config.ts';
import { createApps, type PublicAppOptions } from '../http/app.ts';
import type { IdempotencyStore } from '../http/idempotency-store.ts';
import { createMetrics, type Metrics } from '../http/metrics.ts';
import type { Handlers, Role, Routes } from '../http/route.ts';
import type { KeySet } from '../http/verification-keys.ts';
import { createLimiters } from '../redis/limiters.ts';
import { createLogger } from '../telemetry/log.ts';

/** Signs access tokens as the user module does, and as intruders would. */
export interface TestKeys {
  readonly keySet: KeySet;
  readonly userId: string;
  /** A good token, unless `claims` or `header` spoil it; a member set to undefined is left out. */
  token(role?: Role, spoil?: { claims?: JWTPayload; header?: Partial<JWTHeaderParameters> }): Promise<string>;
}

export async function createTestKeys(kid = 'test'): Promise<TestKeys> {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' };
  const userId = uuidv7();
  return {
    keySet: { keys: [jwk] },
    userId,
    async token(role = 'customer', { claims = {}, header = {} } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = {
        sub: userId,
        role,
        iss: 'banyan',
        aud: 'banyan',
        iat: now,
        exp: now + 900,
        ...claims,
      };
      return await new SignJWT(payload)
        .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'at+jwt', ...header })
        .sign(privateKey);
    },
  };
}

export interface TestEdge {
  readonly app: Hono;
  readonly keys: TestKeys;
  readonly metrics: Metrics;
  /** The log's lines, parsed. */
  readonly logged: Record<string, unknown>[];
  /** Asks as a client at `from` (default 192.0.2.1) would. */
  request(path: string, init?: RequestInit & { from?: string }): Promise<Response>;
}

/** The public app over a test's own routes, without a listener. */
export async function startEdge<R extends Routes>(options: {
  routes: R;
  handlers: Handlers<R>;
  idempotency?: IdempotencyStore;
  config?: Partial<PublicAppOptions['config']>;
  fetchKeys?: PublicAppOptions['fetchKeys'];
  requestsInFlight?: number;
}): Promise<TestEdge> {
  const keys = await createTestKeys();
  const metrics = createMetrics();
  const logged: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line)) };
  const config: Pick<Config, 'rateLimit' | 'trustedProxies' | 'corsOrigins' | 'token'> = {
    rateLimit: undefined,
    trustedProxies: [],
    corsOrigins: [],
    token: { issuer: 'banyan', audience: 'banyan' },
    ...options.config,
  };
  const { publicApp: app } = createApps({
    config,
    log: createLogger({ level: 'info', destination }),
    modules: [
      {
        name: 'test',
        routes: options.routes,
        handlers: options.handlers,
        idempotency: options.idempotency ?? withoutKeys,
      },
    ],
    fetchKeys: options.fetchKeys ?? (async () => keys.keySet),
    limiters: createLimiters(undefined, 'test'),
    health: {
      version: '1.2.3',
      modules: { test: 'local' },
      peers: {},
      differingCalls: [],
      database: 'embedded',
      redis: 'not used',
      progress: {},
      problems: async () => [],
    },
    metrics,
    requestsInFlight: options.requestsInFlight,
  });
  return {
    app,
    keys,
    metrics,
    logged,
    async request(path, { from = '192.0.2.1', ...init } = {}) {
      return await app.request(path, init, { remoteAddress: from });
    },
  };
}

/** For routes that take no keys: any use of it fails the test. */
const withoutKeys = new Proxy({} as IdempotencyStore, {
  get() {
    throw new Error('this test has no idempotency store');
  },
});
