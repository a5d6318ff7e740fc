import { createApiClient } from '../../src/commands/api-client.ts';

const PATIENCE_MS = 30_000;

interface Account {
  readonly email: string;
  readonly password: string;
}

/** Buys one of something new at the shop with this admin, and returns the order's id. Rejects unless it is paid. */
export async function buySomething(url: string, admin: Account): Promise<string> {
  const api = createStrictClient(url);
  const variants = [{ sku: 'IMAGE-1', prices: [{ amount: 495, currency: 'GBP' }], onHand: 1 }];
  const product = { name: 'Bunting', variants };
  await api.send('POST', '/products', { token: await api.login(admin), json: product });
  const customer = { email: 'ada@example.com', password: 'difference engine' };
  await api.send('POST', '/users', { json: { ...customer, username: 'ada' } });
  const order = await api.send('POST', '/orders', {
    token: await api.login(customer),
    headers: { 'idempotency-key': 'the-only-one', prefer: 'wait=30' },
    json: {
      items: [{ sku: 'IMAGE-1', quantity: 1 }],
      currency: 'GBP',
      payment: { method: 'card', token: 'tok_ok' },
    },
  });
  if (order.status !== 'paid') throw new Error(`the order is ${order.status}`);
  return order.id;
}

/** How the shop shows that order to its admin. */
export async function statusOf(url: string, admin: Account, orderId: string): Promise<string> {
  const api = createStrictClient(url);
  return (await api.send('GET', `/orders/${orderId}`, { token: await api.login(admin) })).status;
}

/** Takes every answer but a success for the end of it. */
function createStrictClient(url: string) {
  const api = createApiClient(url, PATIENCE_MS);
  const send = async (...[method, path, request]: Parameters<typeof api.request>) => {
    const { status, body } = await api.request(method, path, request);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  return {
    send,
    login: async (account: Account): Promise<string> =>
      (await send('POST', '/auth/login', { json: account })).accessToken,
  };
}
