import { join } from 'node:path';
import {
  type Client,
  credentials,
  loadPackageDefinition,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALL_BYTES } from '../limits.ts';
import { createServiceTokens } from '../rpc/service-token.ts';
import { findFreePort } from '../testing/servers/free-port.ts';
import { startShop, type TestShop } from '../testing/shop.ts';

const SECRET = 'the secret that clients in other languages have';
const root = join(import.meta.dirname, '../..');
const tokens = createServiceTokens(SECRET);

/** As a program in another language has them: from the committed files alone. */
const loaded = (path: string) =>
  loadSync(join(root, path), { keepCase: true, longs: Number, defaults: false });
// biome-ignore lint/suspicious/noExplicitAny: what the files hold is known when they are read.
const { banyan } = loadPackageDefinition(loaded('modules/product/product.proto')) as any;
const failures = loaded('src/grpc/failure.proto')['banyan.rpc.v1.Failure'] as unknown as {
  deserialize(bytes: Buffer): Record<string, unknown>;
};

let shop: TestShop;
let port: number;
let productId: string;
// biome-ignore lint/suspicious/noExplicitAny: likewise.
let product: any;

beforeAll(async () => {
  port = await findFreePort();
  shop = await startShop({
    listens: true,
    config: { serviceSecret: SECRET, host: '127.0.0.1', port: 0, opsHost: '127.0.0.1', opsPort: port },
  });
  const { token } = await shop.signUp('staff');
  const body = {
    name: 'Tea',
    variants: [{ sku: 'tea', prices: [{ amount: 450, currency: 'EUR' }], onHand: 5 }],
  };
  const made = await shop.request('POST', '/products', { token, body });
  expect(made.status).toBe(201);
  productId = made.body.id;
  product = new banyan.product.v1.ProductService(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterAll(async () => {
  (product as Client | undefined)?.close();
  await shop?.stop();
});

async function metadataFor(module: string): Promise<Metadata> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${await tokens.issue(module, { userId: undefined })}`);
  return metadata;
}

/** Rejects with the client library's own error. */
async function call(
  name: string,
  input: object,
  { metadata, ...options }: { metadata?: Metadata; deadline?: Date } = {},
): Promise<unknown> {
  const sent = metadata ?? (await metadataFor('product'));
  const answer = Promise.withResolvers<unknown>();
  product[name](input, sent, options, (error: ServiceError | null, output: unknown) =>
    error === null ? answer.resolve(output) : answer.reject(error),
  );
  return await answer.promise;
}

const failed = (work: Promise<unknown>): Promise<ServiceError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: ServiceError) => error,
  );

/** What the failure's detail says. It is in google.rpc.Status, after an Any whose url ends in its name. */
function detailOf(error: ServiceError): Record<string, unknown> {
  const [bytes] = error.metadata.get('grpc-status-details-bin') as Buffer[];
  const url = 'type.googleapis.com/banyan.rpc.v1.Failure';
  const at = bytes!.indexOf(url) + url.length;
  // The length of the value, of one byte or two.
  const isLong = bytes![at + 1]! >= 0x80;
  return failures.deserialize(bytes!.subarray(at + (isLong ? 3 : 2)));
}

const line = (sku: string, quantity: number) => ({ sku, quantity });
const reservation = (orderId: string, lines = [line('tea', 2)]) => ({
  order_id: orderId,
  lines,
  pinned: false,
  expires_in_ms: 600_000,
});

describe('a client of gRPC', () => {
  it('gets the answer of a query', async () => {
    expect(await call('Quote', { skus: ['tea'], currency: 'EUR' })).toEqual({
      lines: [{ sku: 'tea', name: 'Tea', unit_price: { amount: 450, currency: 'EUR' } }],
    });
  });

  it('gets objects whose members the contract does not name', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: likewise.
    const { banyan: users } = loadPackageDefinition(loaded('modules/user/user.proto')) as any;
    const user = new users.user.v1.UserService(`127.0.0.1:${port}`, credentials.createInsecure());
    const metadata = await metadataFor('user');
    const answer = Promise.withResolvers<{ keys: unknown[] }>();
    user.Jwks({}, metadata, (error: ServiceError | null, output: { keys: unknown[] }) =>
      error === null ? answer.resolve(output) : answer.reject(error),
    );
    const { keys } = await answer.promise;
    expect(keys[0]).toMatchObject({
      fields: { kid: { stringValue: expect.any(String) }, alg: { stringValue: expect.any(String) } },
    });
    user.close();
  });

  it('has the effect of a command once, however often it sends it', async () => {
    const orderId = uuidv7();
    for (let times = 0; times < 2; times += 1)
      expect(await call('Reserve', reservation(orderId))).toEqual({});
    const { body } = await shop.request('GET', `/products/${productId}`);
    expect(body.variants[0].stock).toMatchObject({ onHand: 5, reserved: 2 });
    expect(await call('Release', { order_id: orderId })).toEqual({});
  });

  it('is told a declared failure by its status, and all of it by the detail', async () => {
    const error = await failed(call('Reserve', reservation(uuidv7(), [line('tea', 6)])));
    expect(error.code).toBe(status.FAILED_PRECONDITION);
    const items = { listValue: { values: expect.any(Array) } };
    expect(detailOf(error)).toMatchObject({
      kind: 'conflict',
      code: 'insufficient_stock',
      extra: { fields: { items } },
      extra_left_out: false,
    });
  });

  it('is told that there is more than a trailer has room for', async () => {
    const lines = Array.from({ length: 200 }, (_, number) =>
      line(`there is no such thing as number ${number}`, 1),
    );
    const error = await failed(call('Reserve', reservation(uuidv7(), lines)));
    expect(detailOf(error)).toMatchObject({ code: 'unknown_sku', extra_left_out: true });
  });

  it('is told what is wrong with a long list, and not of each item', async () => {
    const wrong = Array.from({ length: 2_000 }, () => line('', -1));
    const error = await failed(call('Reserve', reservation(uuidv7(), wrong)));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(detailOf(error)).toMatchObject({ code: 'invalid_input', extra_left_out: true });
  });

  it('must send what the contract requires, and of its form', async () => {
    for (const input of [
      { skus: ['tea'] },
      { skus: [], currency: 'EUR' },
      { skus: ['tea'], currency: 'euro' },
    ]) {
      expect((await failed(call('Quote', input))).code).toBe(status.INVALID_ARGUMENT);
    }
  });

  it('needs a token, and one for this module', async () => {
    const input = { skus: ['tea'], currency: 'EUR' };
    const metadata = new Metadata();
    expect((await failed(call('Quote', input, { metadata }))).code).toBe(status.UNAUTHENTICATED);
    metadata.set('authorization', 'Bearer made up');
    expect((await failed(call('Quote', input, { metadata }))).code).toBe(status.UNAUTHENTICATED);
    const other = await metadataFor('payment');
    expect((await failed(call('Quote', input, { metadata: other }))).code).toBe(status.PERMISSION_DENIED);
  });

  it('is answered by its deadline', async () => {
    const deadline = new Date(Date.now() - 1);
    const input = { skus: ['tea'], currency: 'EUR' };
    expect((await failed(call('Quote', input, { deadline }))).code).toBe(status.DEADLINE_EXCEEDED);
  });

  it('may send as much as a call may have', async () => {
    const input = { skus: ['x'.repeat(CALL_BYTES)], currency: 'EUR' };
    expect((await failed(call('Quote', input))).code).toBe(status.RESOURCE_EXHAUSTED);
  });

  it('is told by the health check whether the process is ready, without a token', async () => {
    const Health = healthClient();
    const health = new Health(`127.0.0.1:${port}`, credentials.createInsecure());
    const check = (service: string) => {
      const answer = Promise.withResolvers<unknown>();
      health.Check!({ service }, (error: ServiceError | null, output: unknown) =>
        error === null ? answer.resolve(output) : answer.reject(error),
      );
      return answer.promise;
    };
    expect(await check('')).toEqual({ status: 1 });
    expect(await check('banyan.product.v1.ProductService')).toEqual({ status: 1 });
    expect((await failed(check('somebody.else'))).code).toBe(status.NOT_FOUND);
    health.close();
  });
});

describe('a client of Connect', () => {
  const url = (call: string) => `http://127.0.0.1:${port}/banyan.product.v1.ProductService/${call}`;
  const post = async (call: string, body: object, token?: string) => {
    const headers = {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
    };
    const answer = await fetch(url(call), { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  };

  it('gets the answer as JSON over HTTP/1.1', async () => {
    const token = await tokens.issue('product', { userId: undefined });
    expect(await post('Quote', { skus: ['tea'], currency: 'EUR' }, token)).toEqual({
      status: 200,
      body: { lines: [{ sku: 'tea', name: 'Tea', unitPrice: { amount: '450', currency: 'EUR' } }] },
    });
  });

  it('is told that its deadline has passed, not given another', async () => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${await tokens.issue('product', { userId: undefined })}`,
      'connect-timeout-ms': '0',
    };
    const body = JSON.stringify({ skus: ['tea'], currency: 'EUR' });
    const answer = await fetch(url('Quote'), { method: 'POST', headers, body });
    expect(await answer.json()).toMatchObject({ code: 'deadline_exceeded' });
  });

  it('is told a failure, and is refused without a token', async () => {
    const token = await tokens.issue('product', { userId: undefined });
    expect(await post('Quote', { skus: ['coffee'], currency: 'EUR' }, token)).toMatchObject({
      status: 400,
      body: { code: 'failed_precondition', details: [{ type: 'banyan.rpc.v1.Failure' }] },
    });
    expect(await post('Quote', { skus: ['tea'], currency: 'EUR' })).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    });
  });
});

/** The service as its specification has it; a file of it would be somebody else's. */
function healthClient() {
  const serialize = ({ service }: { service: string }) =>
    Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
  const check = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize,
    requestDeserialize: () => ({ service: '' }),
    responseSerialize: () => Buffer.alloc(0),
    responseDeserialize: (bytes: Buffer) => ({ status: bytes[1] }),
  };
  return makeGenericClientConstructor({ Check: check }, 'Health');
}
