import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { runInContext } from '../context.ts';
import { AppError } from '../errors.ts';
import type { HttpEnv } from '../http/http-env.ts';
import { CALL_BYTES, CALL_TIMEOUT_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { CONTRACT_HEADER, NOT_HOSTED, PEER_HEADER } from './call-headers.ts';
import type { Contract } from './contract.ts';
import { callHash } from './contract-shape.ts';
import { readHops } from './hops.ts';
import { noTokens, type ServiceTokens } from './service-token.ts';
import { decodeInput, encodeFailure, encodeOutput, type WireAnswer } from './wire.ts';

/** A module of this process, with its calls as other modules here see them. */
export interface ServedModule {
  readonly contract: Contract;
  // biome-ignore lint/suspicious/noExplicitAny: calls of any contract, checked by their specs.
  readonly api: Readonly<Record<string, (input: any) => Promise<unknown>>>;
}

/**
 * `POST /internal/<module>/<call>`: the hosted modules' calls for other processes. Belongs on the operations port,
 * and wants a service token made for the module: 401 without, 403 with another's.
 */
export function createCallServer(options: {
  modules: readonly ServedModule[];
  /** Undefined: this shop has no secret, and takes no calls. */
  tokens: ServiceTokens | undefined;
  log: Logger;
}): Hono<HttpEnv> {
  const { log } = options;
  const tokens = options.tokens ?? noTokens;
  const modules = new Map(options.modules.map((module) => [module.contract.module, module]));
  const app = new Hono<HttpEnv>();
  app.post('/internal/:module/:call', bodyLimit({ maxSize: CALL_BYTES }), async (c) => {
    const { module: name, call } = c.req.param();
    const header = (key: string) => c.req.header(key);
    const answer = (sent: WireAnswer, headers: Record<string, string> = {}) =>
      c.body(sent.text, sent.status as 200, { 'content-type': 'application/json', ...headers });
    let userId: string | undefined;
    try {
      const token = /^Bearer +(\S+)$/i.exec(header('authorization') ?? '')?.[1];
      ({ userId } = await tokens.verify(name, token));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      log.warn({ err: error, call: `${name}.${call}` }, 'a call without a right token was refused');
      return answer(encodeFailure(error));
    }
    const module = modules.get(name);
    if (module === undefined) return answer(encodeFailure(notHosted(name)), { [PEER_HEADER]: NOT_HOSTED });
    const spec = module.contract.calls[call];
    if (spec === undefined) return answer(encodeFailure(new AppError('not_found', 'no_such_call', call)));

    const hash = callHash(spec);
    const sameContract = header(CONTRACT_HEADER) === hash;
    const hops = readHops(header);
    const timeoutMs = Math.min(hops.timeoutMs ?? CALL_TIMEOUT_MS, spec.timeoutMs ?? CALL_TIMEOUT_MS);
    const context = { ...hops.context, userId, deadlineAt: performance.now() + timeoutMs };
    const text = await c.req.text();
    try {
      // The call parses its input itself; a sender of another version is told apart from a bug before.
      if (!sameContract) decodeInput(`${name}.${call}`, spec, text, { sameContract });
      const output = await runInContext(context, () => module.api[call]!(JSON.parse(text)));
      return answer(encodeOutput(output), { [CONTRACT_HEADER]: hash });
    } catch (error) {
      // Whoever called logs expected failures where they end; a bug is logged where it is.
      if (!(error instanceof AppError)) log.error({ err: error, call: `${name}.${call}` }, 'a call failed');
      return answer(encodeFailure(error), { [CONTRACT_HEADER]: hash });
    }
  });
  app.all('/internal/*', (c) => {
    const { text } = encodeFailure(
      new AppError('unauthenticated', 'unauthenticated', 'this takes calls only'),
    );
    return c.body(text, 401, { 'content-type': 'application/json' });
  });
  return app;
}

/** As a process that moved a module away answers who has not heard of it yet. */
export function notHosted(module: string): AppError {
  return new AppError('unavailable', 'not_hosted', `module ${module} does not run here`);
}
