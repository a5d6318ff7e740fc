import type { MiddlewareHandler } from 'hono';
import { uuidv7 } from 'uuidv7';
import { CALL_TIMEOUT_MS } from '../limits.ts';
import { readHops } from '../rpc/hops.ts';
import type { Logger } from '../telemetry/log.ts';
import { parseTraceparent } from '../telemetry/trace-context.ts';
import type { HttpEnv } from './http-env.ts';
import type { HttpMetrics } from './metrics.ts';
import { methodOf, serveInSpan } from './request-span.ts';

/** A request id that a client may choose: short, and harmless in logs and headers. */
const REQUEST_ID = /^[\w.:-]{1,64}$/;

/**
 * Gives each request its ids and deadline, continues the caller's trace, and afterwards logs and measures it by
 * its route's pattern: a concrete path would put ids into logs and make a time series of each.
 */
export function requestScope(log: Logger, metrics: HttpMetrics): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    const given = c.req.header('x-request-id') ?? '';
    const requestId = REQUEST_ID.test(given) ? given : uuidv7();
    const parent = parseTraceparent(c.req.header('traceparent'), c.req.header('tracestate'));
    Object.assign(c.get('edgeHeaders') ?? {}, { 'x-request-id': requestId });
    await serveInSpan(c, parent, { requestId, deadlineAt: startedAt + CALL_TIMEOUT_MS }, async () => {
      await counted(next, metrics);
      const ms = performance.now() - startedAt;
      const method = methodOf(c) ?? 'OTHER';
      const route = c.get('route') ?? 'unmatched';
      const status = c.res.status;
      metrics.observe({ method, route, status, seconds: ms / 1000, refusal: c.get('refusal') });
      log.info({ method, route, status, ms: Math.round(ms * 10) / 10, userId: c.get('userId') }, 'request');
    });
  };
}

/**
 * The same for a request that another process forwards: it goes on under the ids and the deadline that it has there.
 * The process where it came in has logged and measured it as the client saw it.
 */
export function forwardedScope(log: Logger, metrics: HttpMetrics): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const startedAt = performance.now();
    const { parent, context } = readHops((name) => c.req.header(name));
    const deadlineAt = c.env.forwarded?.deadlineAt ?? startedAt + CALL_TIMEOUT_MS;
    await serveInSpan(c, parent, { ...context, deadlineAt }, async () => {
      await counted(next, metrics);
      const ms = performance.now() - startedAt;
      const method = methodOf(c) ?? 'OTHER';
      const route = c.get('route') ?? 'unmatched';
      const status = c.res.status;
      const refusal = c.get('refusal');
      metrics.observeForwarded({ method, route, status, seconds: ms / 1000, refusal });
      log.info({ method, route, status, ms: Math.round(ms * 10) / 10 }, 'forwarded request');
    });
  };
}

async function counted(next: () => Promise<void>, metrics: HttpMetrics): Promise<void> {
  metrics.inFlight(1);
  try {
    await next();
  } finally {
    metrics.inFlight(-1);
  }
}
