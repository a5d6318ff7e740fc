import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeShop, startShop } from '#platform/testing/shop';
import { paymentContract } from './contract.ts';
import { paymentModule } from './module.ts';
import { newCharge } from './test-context.ts';

let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'banyan-payment-'));
});
afterAll(() => removeShop(dataDir));

test('an authorization is captured by a process that starts after the one that took it has ended', async () => {
  const charge = newCharge('tok_later');
  const first = await startShop({ modules: [paymentModule], dataDir, config: { roles: ['http'] } });
  const answer = await first.api(paymentContract).charge({ ...charge, method: 'card' });
  await first.stop();
  expect(answer.state).toBe('authorized');

  const second = await startShop({ modules: [paymentModule], dataDir });
  const status = async () => {
    const { payments } = await second.api(paymentContract).payments({ orderIds: [charge.orderId] });
    return payments.map((payment) => payment.status);
  };
  await expect.poll(status, { timeout: 20_000, interval: 100 }).toEqual(['captured']);
  await second.stop();
});
