import type { RequestContext } from '../context.ts';
import { enter, type Span } from '../telemetry/trace.ts';
import type { TraceContext } from '../telemetry/trace-context.ts';
import type { HttpContext } from './http-env.ts';

/**
 * Runs a request as a server span, named by method and route. Nothing of the client is in it: no address, no query,
 * no headers; and the path only where a route was found, since elsewhere it is whatever somebody typed.
 */
export async function serveInSpan(
  c: HttpContext,
  parent: TraceContext | undefined,
  context: Omit<RequestContext, keyof TraceContext>,
  serve: () => Promise<void>,
): Promise<void> {
  const method = methodOf(c) ?? '_OTHER';
  const attributes = { 'http.request.method': method, 'url.scheme': schemeOf(c.req.url) };
  // What the method is called where nobody knows it, as the conventions have it.
  const name = method === '_OTHER' ? 'HTTP' : method;
  await enter(name, { kind: 'server', parent, attributes }, context, async (span) => {
    await serve();
    describe(span, c, name);
  });
}

/** The request's method, if it is one that exists. */
export function methodOf(c: HttpContext): string | undefined {
  return METHODS.has(c.req.method) ? c.req.method : undefined;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

function describe(span: Span, c: HttpContext, name: string): void {
  const route = c.get('route');
  const { status } = c.res;
  span.set({ 'http.response.status_code': status });
  if (route !== undefined) {
    span.rename(`${name} ${route}`);
    span.set({ 'http.route': route, 'url.path': c.req.path });
  }
  // What a client did wrong is no error of ours.
  if (status >= 500) span.fail(String(status));
}

function schemeOf(url: string): string {
  return url.startsWith('https:') ? 'https' : 'http';
}
