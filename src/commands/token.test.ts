import { expect, test } from 'vitest';
import { createServiceTokens } from '../rpc/service-token.ts';
import { runBanyan } from '../testing/spawn-banyan.ts';

const SERVICE_SECRET = 'a secret of this test, long enough to be one';
const userId = '01890a5d-ac96-774b-bcce-b302099a8057';

test('token prints what lets its owner call one module, for a user', async () => {
  const { code, out } = await runBanyan(['token', 'product', '--user', userId], { SERVICE_SECRET });
  expect(code).toBe(0);
  const tokens = createServiceTokens(SERVICE_SECRET);
  expect(await tokens.verify('product', out.trim())).toEqual({ userId });
  await expect(tokens.verify('order', out.trim())).rejects.toMatchObject({ code: 'wrong_audience' });
});

test('token needs the secret', async () => {
  expect(await runBanyan(['token', 'product'])).toMatchObject({ code: 78, out: '' });
});
