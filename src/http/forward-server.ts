import { Hono } from 'hono';
import { CALL_TIMEOUT_MS } from '../limits.ts';
import type { AnyModule } from '../module.ts';
import { CLIENT_ADDRESS_HEADER, NOT_HOSTED, PEER_HEADER, SERVICE_TOKEN_HEADER } from '../rpc/call-headers.ts';
import { readHops } from '../rpc/hops.ts';
import { noTokens, type ServiceTokens } from '../rpc/service-token.ts';
import { notHosted } from '../rpc/take-call.ts';
import type { Logger } from '../telemetry/log.ts';
import type { HttpContext, HttpEnv } from './http-env.ts';
import { respond } from './respond.ts';
import type { Routes } from './route.ts';
import { toHonoPath } from './route-path.ts';
import { failureOf } from './serve-route.ts';

/**
 * The hosted modules' public routes for requests that came in at other processes, under their own paths. Belongs on
 * the operations port. A service token made for the route's module is wanted (401, 403), since what such a request
 * says of its client is believed; its user's token is checked again by the route itself.
 */
export function createForwardServer(options: {
  ownerApp: Hono<HttpEnv>;
  modules: readonly AnyModule[];
  hosted: ReadonlyMap<string, unknown>;
  tokens: ServiceTokens | undefined;
  log: Logger;
}): Hono<HttpEnv> {
  const { ownerApp, hosted, log } = options;
  const tokens = options.tokens ?? noTokens;
  const app = new Hono<HttpEnv>();
  for (const { contract, routes } of options.modules) {
    const { module } = contract;
    const serve = async (c: HttpContext): Promise<Response> => {
      let userId: string | undefined;
      try {
        ({ userId } = await tokens.verify(module, c.req.header(SERVICE_TOKEN_HEADER)));
      } catch (error) {
        return respond(c, failureOf(log, c, error), { shared: false });
      }
      if (!hosted.has(module)) {
        const answer = failureOf(log, c, notHosted(module));
        return respond(
          c,
          { ...answer, headers: { ...answer.headers, [PEER_HEADER]: NOT_HOSTED } },
          { shared: false },
        );
      }
      const timeoutMs = readHops((name) => c.req.header(name)).timeoutMs ?? CALL_TIMEOUT_MS;
      const forwarded = {
        clientAddress: c.req.header(CLIENT_ADDRESS_HEADER) || undefined,
        userId,
        deadlineAt: performance.now() + Math.min(timeoutMs, CALL_TIMEOUT_MS),
      };
      return await ownerApp.fetch(c.req.raw, { ...c.env, forwarded });
    };
    for (const spec of Object.values(routes as Routes)) app.all(toHonoPath(spec), serve);
  }
  return app;
}
