import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { AppError } from '../errors.ts';
import type { HttpEnv } from '../http/http-env.ts';
import { CALL_BYTES } from '../limits.ts';
import { CONTRACT_HEADER, NOT_HOSTED, PEER_HEADER } from './call-headers.ts';
import type { Caller } from './service-token.ts';
import type { CallTaker, FoundCall } from './take-call.ts';
import { encodeFailure, encodeOutput, type WireAnswer } from './wire.ts';

/**
 * `POST /internal/<module>/<call>`: the hosted modules' calls for other processes. Belongs on the operations port,
 * and wants a service token made for the module: 401 without, 403 with another's.
 */
export function createCallServer(taker: CallTaker): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  const limit = bodyLimit({ maxSize: CALL_BYTES });
  app.post('/internal/:module/:call', async (c) => {
    const { module, call } = c.req.param();
    const header = (key: string) => c.req.header(key);
    const answer = (sent: WireAnswer, headers: Record<string, string> = {}) =>
      c.body(sent.text, sent.status as 200, { 'content-type': 'application/json', ...headers });
    let caller: Caller;
    let found: FoundCall;
    try {
      caller = await taker.admit(module, call, header('authorization'));
      found = taker.find(module, call);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return answer(encodeFailure(error), error.code === 'not_hosted' ? { [PEER_HEADER]: NOT_HOSTED } : {});
    }
    const headers = { [CONTRACT_HEADER]: found.hash };
    // Not before: it keeps what it reads, and whoever has no token does not get to send anything.
    const tooLong = await limit(c, async () => undefined);
    if (tooLong) return tooLong;
    const text = await c.req.text();
    try {
      return answer(
        encodeOutput(await taker.make(found, { caller, header }, () => JSON.parse(text))),
        headers,
      );
    } catch (error) {
      return answer(encodeFailure(error), headers);
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
