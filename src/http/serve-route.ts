import { currentContext, runInContext } from '../context.ts';
import { withDeadline } from '../deadline.ts';
import { AppError, invariant } from '../errors.ts';
import { ANSWER_TIMEOUT_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Authenticator } from './authenticate.ts';
import { parseBody, readBody, requireContentType } from './body.ts';
import { CallSignal, SignalOf } from './call-signal.ts';
import { clientPrefix } from './client-address.ts';
import { parseEtags } from './etag.ts';
import type { HttpContext } from './http-env.ts';
import { claimOf, readKey } from './idempotency-key.ts';
import { type IdempotencyStore, isFinal } from './idempotency-store.ts';
import { createInFlight } from './in-flight.ts';
import { createCallParser } from './parse-call.ts';
import { type Occurrence, problemAnswer } from './problem.ts';
import type { RateLimit } from './rate-limit.ts';
import { refusalOf } from './refusal.ts';
import type { RequestBound } from './request-bound.ts';
import { respond } from './respond.ts';
import { type Answer, type Handler, hasRole, type Principal, type RouteSpec } from './route.ts';
import { fullPath } from './route-path.ts';

const noQuery = new URLSearchParams();

/** What all routes share. */
export interface Edge {
  readonly log: Logger;
  readonly authenticate: Authenticator;
  readonly rateLimit: RateLimit | undefined;
  readonly bound: RequestBound;
  readonly clientAddress: (c: HttpContext) => string | undefined;
}

/**
 * One route from request to response, in this order: token, limit (by user with a good token, by address without),
 * role, key, body, validation, handler. Nothing of a request is read before its sender may send it.
 */
export function createRouteHandler(
  edge: Edge,
  spec: RouteSpec,
  // biome-ignore lint/suspicious/noExplicitAny: a route's own types are known to its module only.
  handler: Handler<any>,
  idempotency: IdempotencyStore,
): (c: HttpContext) => Promise<Response> {
  const route = `${spec.method.toUpperCase()} ${spec.path}`;
  const parse = createCallParser(spec);
  const inFlight = createInFlight();

  async function serve(
    c: HttpContext,
    principal: Principal | undefined,
    caller: CallSignal,
  ): Promise<Answer> {
    const request = c.req.raw;
    const key = readKey(spec, request.headers);
    const { bytes, stream } = await readBody(spec, request);
    const claim =
      key === undefined || principal === undefined
        ? undefined
        : claimOf({ route, path: c.req.path, userId: principal.userId, key }, bytes);
    const handle = async () => {
      if (spec.rawBody) requireContentType(request.headers, spec.rawBody.contentType);
      const parsed = parse({
        params: c.req.param(),
        query: spec.query === undefined ? noQuery : new URL(request.url).searchParams,
        body: spec.rawBody ? undefined : parseBody(request.headers, bytes),
      });
      const call = {
        ...parsed,
        principal,
        claim,
        headers: request.headers,
        ifMatch: parseEtags(request.headers.get('if-match')),
        bytes: spec.rawBody ? bytes : undefined,
        stream,
        clientAddress: edge.clientAddress(c) ?? '127.0.0.1',
      };
      // The signal is left to a getter of the class: whoever asks for it has it made.
      return await handler(Object.assign(new SignalOf(caller), call));
    };
    if (claim === undefined) return await edge.bound(handle);
    return await inFlight.run(claim, caller.signal, async () => {
      try {
        return await edge.bound(handle);
      } catch (error) {
        if (!isFinalFailure(error)) throw error;
        return await idempotency.keep(claim, failureOf(edge.log, c, error));
      }
    });
  }

  return async (c) => {
    c.set('route', fullPath(spec));
    try {
      const principal = await admit(edge, spec, c);
      const context = currentContext();
      invariant(context, 'a request has a context');
      const caller = new CallSignal(c.req.raw);
      const work = runInContext({ ...context, userId: principal?.userId }, () => serve(c, principal, caller));
      const answer = await withDeadline(work, ANSWER_TIMEOUT_MS, route).catch((error: unknown) => {
        // The work goes on past the deadline; a repeat with its key waits for it as if the client had left.
        caller.abort();
        throw error;
      });
      return respond(c, answer, { shared: spec.access === 'anyone' });
    } catch (error) {
      return respond(c, failureOf(edge.log, c, error), { shared: false });
    }
  };
}

/** Counts the request and checks its sender. The principal is there unless the route is for anyone. */
export async function admit(edge: Edge, spec: RouteSpec, c: HttpContext): Promise<Principal | undefined> {
  if (spec.access === 'anyone') {
    await countRequest(edge, c, undefined);
    return undefined;
  }
  let principal: Principal;
  try {
    principal = await edge.authenticate(c.req.header('authorization') ?? null);
  } catch (error) {
    await countRequest(edge, c, undefined);
    throw error;
  }
  const { forwarded } = c.env ?? {};
  if (forwarded && forwarded.userId !== principal.userId) {
    throw new AppError('unauthenticated', 'invalid_token', 'the edge took the sender for somebody else');
  }
  c.set('userId', principal.userId);
  await countRequest(edge, c, principal.userId);
  if (!hasRole(principal.role, spec.access)) {
    throw new AppError('forbidden', 'forbidden', `this needs the role ${spec.access}`);
  }
  return principal;
}

/**
 * Counts a request by its user, or by its address. A request from within the process has no address and is
 * not counted: it is our own.
 */
export async function countRequest(edge: Edge, c: HttpContext, userId: string | undefined): Promise<void> {
  // Once, where it came in.
  if (c.env?.forwarded) return;
  const address = edge.clientAddress(c);
  const client = userId ?? (address && clientPrefix(address));
  if (edge.rateLimit === undefined || client === undefined) return;
  const { headers, refusal } = await edge.rateLimit.count(client);
  Object.assign(c.get('edgeHeaders') ?? {}, headers);
  if (refusal) throw refusal;
}

/** Whether a repeat with the same key would fail in the same way. What the keys themselves refuse is no answer. */
function isFinalFailure(error: unknown): error is AppError {
  if (!(error instanceof AppError) || error.code.startsWith('idempotency_key_')) return false;
  return isFinal(problemAnswer(error, { instance: '', traceId: '' }).status);
}

/** The problem document for a failure here and now. Bugs and outages are logged, here and nowhere else. */
export function failureOf(log: Logger, c: HttpContext, error: unknown): Answer {
  const answer = problemAnswer(error, occurrenceOf(c));
  const refusal = refusalOf(error);
  if (refusal) c.set('refusal', refusal);
  if (answer.status === 500) log.error({ err: error }, 'a request failed');
  else if (answer.status > 500) log.warn({ err: error }, 'a request could not be served');
  return answer;
}

export function occurrenceOf(c: HttpContext): Occurrence {
  return { instance: uriPath(c.req.url), traceId: currentContext()?.traceId ?? '' };
}

/** The path as RFC 3986 has it: URLs as browsers read them let more characters stand. */
function uriPath(url: string): string {
  const escaped = new URL(url).pathname.replaceAll(/%(?![0-9a-f]{2})/gi, '%25');
  return escaped.replaceAll(/[^\w\-.~!$&'()*+,;=:@%/]/g, encodeURIComponent);
}
