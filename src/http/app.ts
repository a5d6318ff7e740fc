import { Hono } from 'hono';
import { cors } from 'hono/cors';
import type { Config } from '../config.ts';
import { REQUESTS_IN_FLIGHT } from '../limits.ts';
import type { Limiters } from '../redis/limiters.ts';
import type { Logger } from '../telemetry/log.ts';
import { createAuthenticator } from './authenticate.ts';
import { createClientAddress } from './client-address.ts';
import { compression } from './compression.ts';
import { createDocsRoutes } from './docs.ts';
import { edgeHeaders, SECURITY_HEADERS } from './edge-headers.ts';
import { createForwardHandler, type Forward } from './forward.ts';
import { createHealthRoutes, type Health } from './health.ts';
import type { HttpContext, HttpEnv } from './http-env.ts';
import type { IdempotencyStore } from './idempotency-store.ts';
import type { Metrics } from './metrics.ts';
import { createOpenApi } from './openapi.ts';
import { nothingThere } from './parse-call.ts';
import { problem } from './problem.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRequestBound } from './request-bound.ts';
import { forwardedScope, requestScope } from './request-scope.ts';
import { respond } from './respond.ts';
import type { Handlers, RouteSpec, Routes } from './route.ts';
import { inMatchingOrder, toHonoPath } from './route-path.ts';
import { countRequest, createRouteHandler, type Edge, failureOf, occurrenceOf } from './serve-route.ts';
import { createVerificationKeys, type KeySet } from './verification-keys.ts';

/** A module's routes with what answers them. */
export interface HostedRoutes {
  readonly name: string;
  readonly routes: Routes;
  // biome-ignore lint/suspicious/noExplicitAny: routes of any module, whose types only it knows.
  readonly handlers: Handlers<any>;
  readonly idempotency: IdempotencyStore;
}

/** The routes of a module that other processes host. */
export interface RoutesElsewhere {
  readonly name: string;
  readonly routes: Routes;
  readonly forward: Forward;
}

export interface PublicAppOptions {
  readonly config: Pick<Config, 'rateLimit' | 'trustedProxies' | 'corsOrigins' | 'token'>;
  readonly log: Logger;
  readonly modules: readonly HostedRoutes[];
  /** In no module's place here, but served all the same. */
  readonly elsewhere?: readonly RoutesElsewhere[];
  /** Reads the keys that verify access tokens; called when they are old or a token names an unknown one. */
  readonly fetchKeys: () => Promise<KeySet>;
  readonly limiters: Limiters;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Names of all modules in the order of the document; one document in every placement. */
  readonly order?: readonly string[];
  /** Requests answered at once; the default is REQUESTS_IN_FLIGHT. */
  readonly requestsInFlight?: number;
}

/** What a browser's script may send and read besides what every request has. */
const CORS_HEADERS = {
  allowHeaders: [
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'If-Match',
    'If-None-Match',
    'Prefer',
    'X-Request-Id',
    'traceparent',
    'tracestate',
  ],
  exposeHeaders: [
    'ETag',
    'Idempotency-Replayed',
    'Location',
    'RateLimit',
    'RateLimit-Policy',
    'Retry-After',
    'WWW-Authenticate',
    'X-Request-Id',
  ],
};

/** The apps of one process: what people reach, and what other processes of the shop reach by forwarding. */
export interface Apps {
  /** Every route of the shop, health, and the documentation. */
  readonly publicApp: Hono;
  /** The hosted modules' routes alone, for requests that have passed another process's edge. */
  readonly ownerApp: Hono<HttpEnv>;
}

export function createApps(options: PublicAppOptions): Apps {
  const { config, log } = options;
  const addressOf = createClientAddress(config.trustedProxies);
  const keys = createVerificationKeys(options.fetchKeys, () => performance.now());
  const edge: Edge = {
    log,
    authenticate: createAuthenticator(keys, config.token),
    rateLimit:
      config.rateLimit === undefined ? undefined : createRateLimit(config.rateLimit, options.limiters),
    bound: createRequestBound(options.requestsInFlight ?? REQUESTS_IN_FLIGHT),
    clientAddress: (c) =>
      c.env?.forwarded
        ? c.env.forwarded.clientAddress
        : addressOf(c.env?.remoteAddress, c.req.header('x-forwarded-for') ?? null),
  };
  return { publicApp: createPublicApp(edge, options), ownerApp: createOwnerApp(edge, options) };
}

function createPublicApp(edge: Edge, options: PublicAppOptions): Hono {
  const { config, log, elsewhere = [] } = options;
  const app = new Hono<HttpEnv>();
  app.use(edgeHeaders(SECURITY_HEADERS));
  app.route('/', createHealthRoutes(options.health));
  app.use(requestScope(log, options.metrics.http));
  if (config.corsOrigins.length > 0) {
    const origin = config.corsOrigins.includes('*') ? '*' : [...config.corsOrigins];
    app.use(cors({ origin, maxAge: 600, ...CORS_HEADERS }));
  }
  app.use(compression());
  const countStranger = (c: HttpContext) => countRequest(edge, c, undefined);
  const documented = inDocumentOrder([...options.modules, ...elsewhere], options.order);
  app.route(
    '/',
    createDocsRoutes(() => createOpenApi(documented), countStranger),
  );
  serveRoutes(app, edge, [...hostedRoutes(edge, options.modules), ...forwardedRoutes(edge, elsewhere)]);
  app.notFound(async (c) => {
    const failure = await countStranger(c).then(nothingThere, (error: unknown) => error);
    return respond(c, failureOf(log, c, failure), { shared: false });
  });
  app.onError((error, c) => respond(c, failureOf(log, c, error), { shared: false }));
  // What the app keeps along a request is its own business.
  return app as unknown as Hono;
}

/**
 * What a peer reaches on the operations port once its service token is checked. The edge that forwards a request has
 * counted it, and compresses and decorates the answer; the token of its user is checked again here.
 */
function createOwnerApp(edge: Edge, options: PublicAppOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(forwardedScope(options.log, options.metrics.http));
  serveRoutes(app, edge, hostedRoutes(edge, options.modules));
  app.onError((error, c) => respond(c, failureOf(options.log, c, error), { shared: false }));
  return app;
}

interface ServedRoute {
  readonly spec: RouteSpec;
  readonly serve: (c: HttpContext) => Promise<Response>;
}

function hostedRoutes(edge: Edge, hosted: readonly HostedRoutes[]): ServedRoute[] {
  return hosted.flatMap(({ routes, handlers, idempotency }) =>
    Object.entries(routes).map(([id, spec]) => ({
      spec,
      serve: createRouteHandler(edge, spec, handlers[id]!, idempotency),
    })),
  );
}

function forwardedRoutes(edge: Edge, elsewhere: readonly RoutesElsewhere[]): ServedRoute[] {
  return elsewhere.flatMap(({ routes, forward }) =>
    Object.values(routes).map((spec) => ({ spec, serve: createForwardHandler(edge, spec, forward) })),
  );
}

/** Registers every route, and for each path a 405 that names the methods it does have. */
function serveRoutes(app: Hono<HttpEnv>, edge: Edge, routes: readonly ServedRoute[]): void {
  const methodsByPath = new Map<string, string[]>();
  for (const { spec, serve } of inMatchingOrder(routes)) {
    const path = toHonoPath(spec);
    const methods = spec.method === 'get' ? ['GET', 'HEAD'] : [spec.method.toUpperCase()];
    methodsByPath.set(path, [...(methodsByPath.get(path) ?? []), ...methods]);
    app.on(spec.method.toUpperCase(), path, serve);
  }
  for (const [path, methods] of methodsByPath) {
    app.all(path, async (c) => {
      try {
        await countRequest(edge, c, undefined);
      } catch (error) {
        return respond(c, failureOf(edge.log, c, error), { shared: false });
      }
      const allow = methods.join(', ');
      const occurrence = occurrenceOf(c);
      const body = problem(405, 'method_not_allowed', `this path has only ${allow}`, occurrence);
      return respond(c, { status: 405, headers: { allow }, body }, { shared: false });
    });
  }
}

/** One document in every placement: its order must not tell where a module runs. */
function inDocumentOrder<T extends { readonly name: string }>(
  modules: readonly T[],
  order?: readonly string[],
): T[] {
  if (order === undefined) return [...modules];
  return modules.toSorted((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
}
