import { OWN_TRACE } from '../masks.ts';
import type { Scenario, Sending, Stage } from '../stage.ts';

const NOBODY = '019a0000-0000-7000-8000-000000000000';
const MEBIBYTE = 1_048_576;
const json = { 'content-type': 'application/json' };

/** What HTTP asks of every route, tried on routes of all modules. */
export const protocol: readonly Scenario[] = [
  {
    name: 'there is nothing at a path',
    async run(stage) {
      for (const path of [
        '!/',
        '!/nothing',
        '!/api',
        '!/api/v1',
        '!/api/v2/products',
        '/nothing',
        '/orders/',
        '//orders',
      ]) {
        await stage.send('GET', path);
      }
      await stage.send('POST', '/nothing', { json: {} });
      await stage.send('GET', '!/problems/not_found');
    },
  },
  {
    name: 'a path does not have a method',
    async run(stage) {
      for (const [method, path] of [
        ['DELETE', '/orders'],
        ['PUT', '/products'],
        ['POST', '/users/me'],
        ['PATCH', `/payments/${NOBODY}`],
        ['GET', '/auth/login'],
        ['GET', '/payments/webhooks/sandbox'],
        ['DELETE', `/orders/${NOBODY}/events`],
        ['POST', '!/.well-known/jwks.json'],
        ['PROPFIND', '/products'],
        ['OPTIONS', '/orders'],
      ] as const) {
        await stage.send(method, path);
      }
    },
  },
  {
    name: 'a HEAD is a GET without its body',
    async run(stage) {
      const anna = stage.person('anna');
      for (const path of [
        '/products?limit=1',
        `/products/${NOBODY}`,
        `/orders/${stage.thing('euros')}?expand=user,items.product`,
        '/users/me',
        '!/.well-known/jwks.json',
      ]) {
        await stage.send('HEAD', path, { as: anna });
      }
      await stage.send('HEAD', '/orders', { as: anna, headers: { 'accept-encoding': 'gzip' } });
      await stage.send('HEAD', '/orders');
    },
  },
  {
    name: 'a browser of another origin asks',
    async run(stage) {
      const preflight = {
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      };
      for (const origin of ['https://shop.example', 'https://evil.example']) {
        for (const path of ['/orders', '/products', '/auth/login']) {
          await stage.send('OPTIONS', path, { headers: { origin, ...preflight } });
        }
        await stage.send('GET', '/products?limit=1', { headers: { origin } });
        await stage.send('GET', '/orders', { headers: { origin } });
      }
    },
  },
  {
    name: 'a body is of another type than wanted',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const body = '{"email":"a@example.com","password":"x"}';
      const kinds: readonly Record<string, string>[] = [
        {},
        { 'content-type': 'text/plain' },
        { 'content-type': 'application/json; charset=latin1' },
        { 'content-type': 'application/json; charset=UTF-8' },
        { 'content-type': 'Application/JSON' },
        { 'content-type': 'application/merge-patch+json' },
        { ...json, 'content-encoding': 'gzip' },
      ];
      for (const headers of kinds) {
        await stage.send('POST', '/auth/login', { body, headers });
        await stage.send('POST', '/orders', { as: anna, key: 'type', body, headers });
        await stage.send('POST', '/products', { as: sam, body, headers });
      }
      await stage.send('GET', '/products?limit=1', { headers: { accept: 'text/html' } });
    },
  },
  {
    name: 'a body is no JSON, or not what JSON should be',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      for (const body of [
        '',
        '{',
        '{"a":1,"a":2}',
        '{"__proto__":{"role":"admin"}}',
        `${'['.repeat(200)}${']'.repeat(200)}`,
        '{"amount":1e309}',
        '{"amount":9007199254740993}',
        '{"name":"a\\u0000b"}',
        '{"name":"\\ud800"}',
        'NaN',
        '"text"',
        Buffer.from('{"name":"\xff"}', 'latin1'),
      ]) {
        await stage.send('POST', '/users', { body, headers: json });
        await stage.send('POST', '/orders', { as: anna, key: 'no json', body, headers: json });
        await stage.send('PUT', `/products/${stage.thing('CUP')}/variants/CUP/prices/GBP`, {
          as: sam,
          body,
          headers: json,
        });
      }
      await stage.send('GET', '/products?limit=1', { body: '{', headers: json });
      await stage.send('DELETE', `/products/${NOBODY}`, { as: sam, body: '{', headers: json });
    },
  },
  {
    name: 'a body is too large, whether it tells its length or not',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      for (const chunked of [false, true]) {
        for (const bytes of [MEBIBYTE, MEBIBYTE + 1]) {
          const body = Buffer.alloc(bytes, ' ');
          await stage.send('POST', '/users', { body, chunked, headers: json });
          await stage.send('POST', '/orders', { as: anna, key: 'large', body, chunked, headers: json });
          await stage.send('PATCH', `/products/${stage.thing('CUP')}`, {
            as: sam,
            body,
            chunked,
            headers: json,
          });
        }
      }
      // Who may not send it is told so before it is read.
      await stage.send('POST', '/orders', { body: Buffer.alloc(MEBIBYTE + 1, ' '), headers: json });
      await stage.send('POST', '/products', {
        as: anna,
        body: Buffer.alloc(MEBIBYTE + 1, ' '),
        headers: json,
      });
    },
  },
  {
    name: 'headers are too large',
    async run(stage) {
      await stage.send('GET', '/products', { headers: { 'x-large': 'x'.repeat(17 * 1024) } });
      await stage.send('GET', `/products?q=${'x'.repeat(17 * 1024)}`);
    },
  },
  {
    name: 'requests carry ids and traces',
    async run(stage) {
      const anna = stage.person('anna');
      const traced = { traceparent: `00-${OWN_TRACE}-b7ad6b7169203331-01` };
      for (const path of ['/users/none', '/orders/none', '/products/none', '/payments/none']) {
        await stage.send('GET', path, { as: anna, headers: { ...traced, 'x-request-id': 'my-request.1' } });
        await stage.send('GET', path, {
          as: anna,
          headers: { traceparent: 'nonsense', 'x-request-id': 'no good!' },
        });
      }
    },
  },
  {
    name: 'a request counts once against the limit, wherever it is answered',
    async run(stage) {
      const as = stage.person('anna');
      for (const path of [
        '/users/me',
        '/products?limit=1',
        `/orders/${stage.thing('euros')}?expand=user,items.product,payment`,
        `/payments/${stage.thing('payment')}`,
        '/nothing',
      ]) {
        for (const sending of [{ as }, {}]) {
          stage.note(`${path} counts ${await costOf(stage, path, sending)}`);
        }
      }
    },
  },
  {
    name: 'answers are compressed for who asks for it',
    async run(stage) {
      const anna = stage.person('anna');
      for (const coding of ['gzip', 'deflate', 'br', 'gzip, deflate, br', 'identity', '*', 'gzip;q=0']) {
        const headers = { 'accept-encoding': coding };
        await stage.send('GET', '/products?limit=5', { headers });
        await stage.send('GET', '/orders?limit=5', { as: anna, headers });
      }
      const headers = { 'accept-encoding': 'gzip' };
      for (const path of [
        `/products/${stage.thing('TEA-100')}`,
        `/orders/${stage.thing('euros')}?expand=user,items.product,payment`,
        `/orders/${stage.thing('euros')}/events`,
        '/users/me',
      ]) {
        const { header } = await stage.send('GET', path, { as: anna, headers });
        await stage.send('GET', path, {
          as: anna,
          headers: { ...headers, 'if-none-match': header('etag') ?? '"0.a"' },
        });
      }
      await stage.send('GET', '/users/none', { as: anna, headers });
      await stage.send('POST', '/users', { json: { unknown: 'x'.repeat(2_000) }, headers });
    },
  },
  {
    name: 'the shop describes itself',
    async run(stage) {
      for (const path of [
        '!/.well-known/jwks.json',
        '!/openapi.json',
        '!/docs',
        '!/docs/',
        '!/docs/start.js',
        '!/docs/swagger-ui.css',
        '!/docs/swagger-ui-bundle.js',
        '!/docs/nothing.js',
        '!/livez',
        '!/readyz',
      ]) {
        await stage.send('GET', path);
      }
      await stage.send('GET', '!/openapi.json', { headers: { 'accept-encoding': 'gzip' } });
    },
  },
];

/** By how much the limit of who asks is less after a second request than after the first. */
async function costOf(stage: Stage, path: string, sending: Sending): Promise<number> {
  const left = async () => {
    const answer = await stage.ask('GET', path, sending);
    return Number(/;r=(\d+);/.exec(answer.header('ratelimit') ?? '')?.[1]);
  };
  const first = await left();
  const cost = first - (await left());
  // A new minute began in between; so these requests are not written down.
  return cost < 0 ? await costOf(stage, path, sending) : cost;
}
