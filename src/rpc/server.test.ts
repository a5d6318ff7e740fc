import { expect, it } from 'vitest';
import { z } from 'zod';
import { CALL_BYTES } from '../limits.ts';
import { createLogger } from '../telemetry/log.ts';
import { defineContract, query } from './contract.ts';
import { createLocalApi } from './local.ts';
import { createCallServer } from './server.ts';
import { createServiceTokens } from './service-token.ts';
import { createCallTaker, type ServedModule } from './take-call.ts';

const till = defineContract('till', {
  calls: { count: query({ input: z.object({}), output: z.object({ coins: z.int() }), errors: [] }) },
});
const api = createLocalApi(till, { count: async () => ({ coins: 3 }) }) as ServedModule['api'];

const logged: { level: string }[] = [];
const log = createLogger({
  level: 'error',
  destination: { write: (line) => void logged.push(JSON.parse(line)) },
});
const tokens = createServiceTokens('the secret of a shop that this test makes up');
const server = createCallServer(createCallTaker({ modules: [{ contract: till, api }], tokens, log }));

async function call(name: string, body: string) {
  const authorization = `Bearer ${await tokens.issue('till', { userId: undefined })}`;
  const answer = await server.request(`/internal/till/${name}`, {
    method: 'POST',
    headers: { authorization },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, body: answer.status === 413 ? text : JSON.parse(text) };
}

it('answers a program that knows nothing of contracts but their form', async () => {
  expect(await call('count', '{}')).toEqual({ status: 200, body: { output: { coins: 3 } } });
});

it('reads nothing from whoever has no token', async () => {
  let wasRead = false;
  const body = new ReadableStream(
    {
      pull(controller) {
        wasRead = true;
        controller.enqueue(Buffer.from('{'));
      },
    },
    { highWaterMark: 0 },
  );
  const answer = await server.request('/internal/till/count', { method: 'POST', body, duplex: 'half' });
  expect([answer.status, wasRead]).toEqual([401, false]);
});

it('takes no more than a call may have', async () => {
  expect((await call('count', 'x'.repeat(CALL_BYTES + 1))).status).toBe(413);
});

it('has no calls but those of the contract, whatever every object has', async () => {
  for (const name of ['sum', 'constructor', 'toString', '__proto__']) {
    expect(await call(name, '{}')).toMatchObject({ status: 404, body: { error: { code: 'no_such_call' } } });
  }
});

it('takes what is no JSON for a fault of its sender, and not for a bug', async () => {
  for (const text of ['', '{', '[1,']) {
    expect(await call('count', text)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_input' } },
    });
  }
  expect(logged).toEqual([]);
});
