import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allMetrics } from './compose.ts';
import { createServiceTokens } from './rpc/service-token.ts';
import { type SplitShop, startSplit } from './testing/split.ts';
import { scrape, toldBy, unknownIn } from './testing/told-metrics.ts';

/** A gateway without modules, and three processes that share the modules out among them. */
let split: SplitShop;
let gateway: string;
let staff: string;
let customer: { id: string; token: string };

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes.
  readonly body: any;
}

async function ask(url: string, method: string, path: string, init: RequestInit & { token?: string } = {}) {
  const headers = new Headers(init.headers);
  if (init.token !== undefined) headers.set('authorization', `Bearer ${init.token}`);
  if (typeof init.body === 'string' && !headers.has('content-type')) {
    headers.set('content-type', 'application/json');
  }
  const response = await fetch(url + path, { ...init, method, headers });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text !== '' ? JSON.parse(text) : text,
  } as Answered;
}

const api = (method: string, path: string, init?: RequestInit & { token?: string }) =>
  ask(gateway, method, `/api/v1${path}`, init);

async function logIn(email: string, password: string): Promise<string> {
  const { status, body } = await api('POST', '/auth/login', { body: JSON.stringify({ email, password }) });
  expect(status).toBe(200);
  return body.accessToken;
}

function place(key: string, token = 'tok_ok', sku = 'A') {
  return api('POST', '/orders', {
    token: customer.token,
    headers: { 'idempotency-key': key },
    body: JSON.stringify({
      items: [{ sku, quantity: 1 }],
      currency: 'GBP',
      payment: { method: 'card', token },
    }),
  });
}

beforeAll(async () => {
  split = await startSplit({
    gateway: [],
    accounts: ['user', 'notification'],
    catalogue: ['product'],
    sales: ['order', 'payment'],
  });
  gateway = split.parts.gateway!.url;
  staff = await logIn(split.admin.email, split.admin.password);
  const account = { email: 'ann@example.com', username: 'ann', password: 'a long enough password' };
  const { body } = await api('POST', '/users', { body: JSON.stringify(account) });
  customer = { id: body.id, token: await logIn(account.email, account.password) };
  const variants = [{ sku: 'A', prices: [{ amount: 250, currency: 'GBP' }], onHand: 1_000 }];
  const made = await api('POST', '/products', {
    token: staff,
    body: JSON.stringify({ name: 'Cup', variants }),
  });
  expect(made.status).toBe(201);
});
afterAll(() => split?.stop());

describe('the whole API at a process without modules', () => {
  it('sells, with a call to every other process on the way', async () => {
    const { status, body, headers } = await place('first');
    expect([status, body.status, body.total]).toEqual([201, 'paid', { amount: 250, currency: 'GBP' }]);
    expect(headers.get('etag')).toBeTruthy();
    const repeat = await place('first');
    expect(repeat.body).toEqual(body);
    expect(repeat.headers.get('idempotency-replayed')).toBe('true');
  });

  it('expands an order by what three other processes know', async () => {
    const { body: order } = await place('expanded');
    const path = `/orders/${order.id}?expand=user,items.product,payment`;
    const { status, body } = await api('GET', path, { token: customer.token });
    expect(status).toBe(200);
    expect(body.user.email).toBe('ann@example.com');
    expect(body.items[0].product.name).toBe('Cup');
    expect(body.payment.status).toBe('captured');
  });

  it.each([
    ['a declined card', 402, 'payment_declined', () => place(uuidv7(), 'tok_declined')],
    ['an unknown sku', 422, 'unknown_sku', () => place(uuidv7(), 'tok_ok', 'nothing')],
    [
      'a missing key',
      400,
      'idempotency_key_missing',
      () => api('POST', '/orders', { token: customer.token, body: '{}' }),
    ],
    ['somebody else’s role', 403, 'forbidden', () => api('GET', '/users', { token: customer.token })],
    ['no token', 401, 'unauthenticated', () => api('GET', '/orders')],
    ['nothing there', 404, 'not_found', () => api('GET', `/orders/${uuidv7()}`, { token: customer.token })],
    ['another method', 405, 'method_not_allowed', () => api('PUT', '/orders')],
  ])('tells %s as the module’s own process would', async (_, status, code, work) => {
    const answer = await work();
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it('streams an import to its module', async () => {
    const lines = Array.from({ length: 2_000 }, (_, index) => `imported-${index},Thing ${index},100,GBP,5`);
    const csv = `sku,name,price_minor,currency,on_hand\n${lines.join('\n')}\n`;
    const { status, body, headers } = await api('POST', '/products/import', {
      token: staff,
      headers: { 'content-type': 'text/csv' },
      body: new Blob([csv]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect([status, body.kind]).toEqual([202, 'catalogue-import']);
    expect(headers.get('location')).toBe(`/api/v1/jobs/${body.id}`);
    await expect
      .poll(async () => (await api('GET', `/jobs/${body.id}`, { token: staff })).body.state, {
        timeout: 20_000,
      })
      .toBe('done');
  });

  it('refuses a body past the limit, whether its length is told or not', async () => {
    const large = `"${'x'.repeat(1024 * 1024)}"`;
    const told = await api('POST', '/users', { body: large });
    expect([told.status, told.body.code]).toEqual([413, 'payload_too_large']);
    const untold = await api('POST', '/users', {
      headers: { 'content-type': 'application/json' },
      body: new Blob([large]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect([untold.status, untold.body.code]).toEqual([413, 'payload_too_large']);
  });

  it('passes on as many headers as a client may send', async () => {
    const padding = 'x'.repeat(16 * 1024 - customer.token.length - 400);
    const { status } = await api('GET', '/orders', { token: customer.token, headers: { padding } });
    expect(status).toBe(200);
  });

  it('compresses what its peers send, and answers HEAD and If-None-Match as they would', async () => {
    const list = await api('GET', '/products?limit=100', { headers: { 'accept-encoding': 'gzip' } });
    expect(list.headers.get('content-encoding')).toBe('gzip');
    const { id } = list.body.data[0];
    const one = await api('GET', `/products/${id}`);
    const etag = one.headers.get('etag')!;
    const again = await api('GET', `/products/${id}`, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const head = await api('HEAD', `/products/${id}`);
    expect([head.status, head.body]).toEqual([200, '']);
    expect(head.headers.get('etag')).toBe(etag);
  });

  it('says where each module is', async () => {
    const { body } = await ask(gateway, 'GET', '/health');
    expect(body.modules).toEqual({
      user: 'remote',
      product: 'remote',
      payment: 'remote',
      order: 'remote',
      notification: 'remote',
    });
    expect([body.status, body.database, body.differingCalls]).toEqual(['ok', 'not used', []]);
    const { body: sales } = await ask(split.parts.sales!.url, 'GET', '/health');
    expect(sales.modules).toMatchObject({ order: 'local', payment: 'local', product: 'remote' });
    expect(sales.peers).toMatchObject({ product: 'up' });
  });

  it('shows one document, the same at every process', async () => {
    const documents = await Promise.all(
      Object.values(split.parts).map(({ url }) => ask(url, 'GET', '/openapi.json')),
    );
    for (const { body } of documents) expect(body).toEqual(documents[0]!.body);
  });
});

describe('calls between processes', () => {
  const tokens = () => createServiceTokens(split.secret);
  const call = (path: string, token?: string) =>
    ask(split.parts.catalogue!.opsUrl, 'POST', path, {
      body: '{"skus":["A"]}',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });

  it('are answered to whoever has a token made for the module', async () => {
    const token = await tokens().issue('product', { userId: undefined });
    const { status, body } = await call('/internal/product/productsBySku', token);
    expect([status, body.output.products.length]).toEqual([200, 1]);
  });

  it('are refused without one (401), and with one for another module (403)', async () => {
    expect((await call('/internal/product/productsBySku')).status).toBe(401);
    expect((await call('/internal/product/productsBySku', 'nonsense')).status).toBe(401);
    expect((await call('/internal/product/productsBySku', customer.token)).status).toBe(401);
    const others = await createServiceTokens('the secret of some other shop altogether').issue('product', {
      userId: undefined,
    });
    expect((await call('/internal/product/productsBySku', others)).status).toBe(401);
    const elsewhere = await tokens().issue('order', { userId: undefined });
    expect((await call('/internal/product/productsBySku', elsewhere)).status).toBe(403);
    expect((await ask(split.parts.catalogue!.opsUrl, 'GET', '/internal/product')).status).toBe(401);
  });

  it('of a module that runs elsewhere are sent elsewhere', async () => {
    const token = await tokens().issue('order', { userId: undefined });
    const { status, headers } = await call('/internal/order/rebuild', token);
    expect([status, headers.get('banyan-peer')]).toEqual([503, 'not-hosted']);
  });

  it('do not exist on the public port, however the path is spelt', async () => {
    const token = await tokens().issue('product', { userId: undefined });
    for (const path of [
      '/internal/product/productsBySku',
      '/%69nternal/product/productsBySku',
      '//internal/product/productsBySku',
      '/api/v1/../../internal/product/productsBySku',
      '/api/v1/users/..%2f..%2f..%2finternal%2fproduct%2fproductsBySku',
      '/internal%2fproduct%2fproductsBySku',
    ]) {
      for (const { url } of Object.values(split.parts)) {
        const { status, body } = await ask(url, 'POST', path, {
          body: '{"skus":["A"]}',
          headers: { authorization: `Bearer ${token}`, 'banyan-service-token': token },
        });
        expect([404, 405], path).toContain(status);
        expect(JSON.stringify(body)).not.toContain('Cup');
      }
    }
  });
});

describe('requests passed on between processes', () => {
  const pass = async (headers: Record<string, string>) =>
    await ask(split.parts.sales!.opsUrl, 'GET', '/api/v1/orders', { headers });

  it('need a service token made for the module, and the user’s own token', async () => {
    const authorization = `Bearer ${customer.token}`;
    expect((await pass({ authorization })).status).toBe(401);
    const tokens = createServiceTokens(split.secret);
    const wrong = await tokens.issue('product', { userId: customer.id });
    expect((await pass({ authorization, 'banyan-service-token': wrong })).status).toBe(403);
    const right = await tokens.issue('order', { userId: customer.id });
    expect((await pass({ 'banyan-service-token': right })).status).toBe(401);
    expect((await pass({ authorization, 'banyan-service-token': right })).status).toBe(200);
    const forAnother = await tokens.issue('order', { userId: uuidv7() });
    expect((await pass({ authorization, 'banyan-service-token': forAnother })).status).toBe(401);
  });

  it('take nothing of what a client claims about itself', async () => {
    const { status, body } = await api('GET', '/orders', {
      headers: { 'banyan-service-token': 'x', 'banyan-client-address': '10.0.0.1', 'x-user-id': customer.id },
    });
    expect([status, body.code]).toEqual([401, 'unauthenticated']);
  });
});

describe('what its processes measure', () => {
  it('is, taken together, all that the catalogue names', async () => {
    await place('measured');
    const told = new Set<string>();
    for (const { shop } of Object.values(split.parts)) {
      const samples = await scrape(shop.opsApp);
      expect(unknownIn(samples, allMetrics)).toEqual([]);
      for (const name of toldBy(samples, allMetrics)) told.add(name);
    }
    const missing = allMetrics.filter(({ name }) => !told.has(name)).map(({ name }) => name);
    // No shadow, no TLS, and processes of one version.
    expect(missing.sort()).toEqual([
      'banyan_contract_skew',
      'banyan_shadow_calls_total',
      'banyan_tls_expiry_timestamp_seconds',
    ]);
  });

  it('tells calls between processes from those within one', async () => {
    const modes = async (part: string, labels: Record<string, string>) =>
      (await scrape(split.parts[part]!.shop.opsApp)).flatMap(({ name, labels: found }) =>
        name === 'banyan_call_duration_seconds_count' &&
        Object.entries(labels).every(([label, value]) => found[label] === value)
          ? found.mode
          : [],
      );
    const reserve = { caller: 'order', module: 'product', call: 'reserve', outcome: 'ok' };
    const charge = { caller: 'order', module: 'payment', call: 'charge', outcome: 'ok' };
    expect(await modes('sales', reserve)).toEqual(['remote']);
    expect(await modes('sales', charge)).toEqual(['local']);
  });
});

describe('a module whose process is gone', () => {
  it('is answered for with 503 at once when that is known, while the rest goes on, and works again on its return', async () => {
    await split.parts.catalogue!.stop();
    for (let tries = 0; tries < 8; tries += 1) {
      const { status, body, headers } = await api('GET', '/products');
      expect([status, body.code]).toEqual([503, 'peer_unavailable']);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(JSON.stringify(body)).not.toMatch(/127\.0\.0\.1|ECONN/);
    }
    expect((await place(uuidv7())).status).toBe(503);
    expect((await api('GET', '/orders', { token: customer.token })).status).toBe(200);
    const { body } = await ask(gateway, 'GET', '/health');
    expect([body.status, body.peers.product]).toEqual(['ok', 'down']);
    await split.start('catalogue');
    await expect.poll(async () => (await api('GET', '/products')).status, { timeout: 10_000 }).toBe(200);
    await expect.poll(async () => (await place('after')).status, { timeout: 10_000 }).toBe(201);
  });

  it('need not be there to check tokens that it issued', async () => {
    expect((await api('GET', '/orders', { token: customer.token })).status).toBe(200);
    await split.parts.accounts!.stop();
    expect((await api('GET', '/orders', { token: customer.token })).status).toBe(200);
    expect((await place('without accounts')).status).toBe(201);
    await split.start('accounts');
  });
});
