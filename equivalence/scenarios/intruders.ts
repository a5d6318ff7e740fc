import { generateKeyPairSync } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { createServiceTokens } from '../../src/rpc/service-token.ts';
import type { Scenario } from '../stage.ts';

/** Ways to write a path that some servers or proxies take for `/internal/…`. */
const disguises = [
  '/internal/product/quote',
  '/internal/user/jwks',
  '/internal',
  '/internal/',
  '//internal/product/quote',
  '/./internal/product/quote',
  '/x/../internal/product/quote',
  '/%69nternal/product/quote',
  '/%2569nternal/product/quote',
  '/internal%2Fproduct%2Fquote',
  '/internal%2fproduct/quote',
  '/INTERNAL/product/quote',
  '/internal;x/product/quote',
  '\\internal\\product\\quote',
  '/api/v1/../../internal/product/quote',
  '/api/v1/..%2f..%2finternal/product/quote',
  '/api/v1/%2e%2e/%2e%2e/internal/product/quote',
  '/api/v1/..;/..;/internal/product/quote',
  '/api/v1/orders/..%2f..%2f..%2f..%2finternal%2fproduct%2fquote',
  '/api/v1/products/../../../internal/product/quote',
  '/api/v1/internal/product/quote',
  '/docs/../internal/product/quote',
];

export const intruders: readonly Scenario[] = [
  {
    name: 'calls between processes cannot be reached, not even with a good service token',
    async run(stage) {
      const tokens = createServiceTokens(stage.secrets.service);
      const product = await tokens.issue('product', { userId: undefined });
      const json = { skus: ['TEA-100'], currency: 'GBP' };
      for (const path of disguises) {
        await stage.send('POST', `!${path}`, {
          json,
          headers: {
            authorization: `Bearer ${product}`,
            'banyan-service-token': product,
            'banyan-call-depth': '0',
            'banyan-timeout-ms': '5000',
          },
        });
        await stage.send('GET', `!${path}`);
      }
      for (const path of ['/metrics', '/control', '/control/audit', '/health/..', '/%6detrics']) {
        await stage.send('GET', `!${path}`, { headers: { authorization: `Bearer ${product}` } });
      }
    },
  },
  {
    name: 'headers that processes send each other mean nothing from outside',
    async run(stage) {
      const [anna, bruno] = ['anna', 'bruno'].map(stage.person);
      const tokens = createServiceTokens(stage.secrets.service);
      const forged = {
        'x-user-id': bruno!.id,
        'x-user-role': 'admin',
        'x-forwarded-for': '203.0.113.7',
        forwarded: 'for=203.0.113.7',
        'banyan-client-address': '203.0.113.7',
        'banyan-timeout-ms': '0',
        'banyan-call-depth': '99',
        'banyan-contract': 'nonsense',
        'banyan-peer': 'not-hosted',
        connection: 'authorization, banyan-service-token, idempotency-key',
      };
      for (const [path, module] of [
        ['/users/me', 'user'],
        [`/orders/${stage.thing('euros')}`, 'order'],
        [`/payments/${stage.thing('payment')}`, 'payment'],
        [`/products/${stage.thing('CUP')}/variants/CUP/stock`, 'product'],
      ] as const) {
        const service = await tokens.issue(module, { userId: bruno!.id });
        const headers = { ...forged, 'banyan-service-token': service };
        await stage.send('GET', path, { as: anna, headers });
        await stage.send('GET', path, { headers });
        await stage.send('GET', path, { headers: { ...headers, authorization: `Bearer ${service}` } });
      }
    },
  },
  {
    name: 'an access token does not hold',
    async run(stage) {
      const anna = stage.person('anna');
      const [header, payload, signature] = anna.token.split('.') as [string, string, string];
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
      const { kid } = decode(header);
      const claims = decode(payload);
      const { privateKey, publicKey } = generateKeyPairSync('ed25519');
      const jwk = await exportJWK(publicKey);
      const sign = (more: object, changed: object = {}) =>
        new SignJWT({ ...claims, ...changed })
          .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...more })
          .sign(privateKey);
      const symmetric = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid })
        .sign(Buffer.from(JSON.stringify(jwk)));
      const tokens: Readonly<Record<string, string>> = {
        'no token at all': '',
        'no JWT': 'nonsense',
        'two dots': '..',
        'none as its algorithm': `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
        'none under a good signature': `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.${signature}`,
        'a public key as a secret': symmetric,
        'another role': `${header}.${encode({ ...claims, role: 'admin' })}.${signature}`,
        'no signature': `${header}.${payload}.`,
        'a signature cut short': `${header}.${payload}.${signature.slice(0, -4)}`,
        'a key of its own': await sign({ kid }),
        'an unknown key': await sign({ kid: 'of-nobody' }),
        'no key id': await sign({}),
        'its own key with it': await sign({ kid, jwk }),
        'a link to its key': await sign({ kid, jku: 'https://evil.example/jwks.json' }),
        'another issuer': await sign({ kid }, { iss: 'evil' }),
        'another audience': await sign({ kid }, { aud: 'evil' }),
        'another type': await sign({ kid, typ: 'JWT' }),
        'expired long ago': await sign({ kid }, { exp: 1_600_000_000 }),
        'a refresh token': anna.refreshToken,
      };
      for (const [what, token] of Object.entries(tokens)) {
        for (const path of ['/users/me', '/orders', `/payments/${stage.thing('payment')}`, '/jobs/none']) {
          const headers = { authorization: `Bearer ${token}`, 'x-request-id': what.replaceAll(' ', '-') };
          await stage.send('GET', path, { headers });
        }
      }
      for (const authorization of [
        '',
        'Bearer',
        'Basic YTpi',
        `bearer ${anna.token}`,
        `Bearer ${anna.token} x`,
      ]) {
        await stage.send('GET', '/users/me', { headers: { authorization } });
        await stage.send('GET', '/orders?limit=1', { headers: { authorization } });
      }
      // Where nobody needs to be anybody, a bad one does no harm.
      await stage.send('GET', '/products?limit=1', { headers: { authorization: 'Bearer nonsense' } });
    },
  },
  {
    name: "somebody else's things are not there",
    async run(stage) {
      const [bruno, anna] = ['bruno', 'anna'].map(stage.person);
      const order = `/orders/${stage.thing('euros')}`;
      const card = { method: 'card', token: 'tok_ok' };
      await stage.send('GET', `${order}?expand=user,items.product,payment`, { as: bruno });
      await stage.send('GET', `${order}/events`, { as: bruno });
      await stage.send('POST', `${order}/cancel`, { as: bruno, json: { reason: 'mine' } });
      await stage.send('POST', `${order}/payment`, { as: bruno, key: 'not mine', json: card });
      await stage.send('POST', `${order}/ship`, { as: bruno, json: { trackingNumber: 'x' } });
      await stage.send('GET', `/payments/${stage.thing('payment')}`, { as: bruno });
      await stage.send('DELETE', `/users/${anna!.id}`, { as: bruno });
      await stage.send('GET', `/orders?userId=${anna!.id}`, { as: bruno });
    },
  },
];
