import { expect, it } from 'vitest';
import { type Resolver, resolveOrigins } from './resolve.ts';

const hosts: Readonly<Record<string, readonly string[]>> = {
  product: ['10.0.0.1', '10.0.0.2'],
  stock: ['10.0.0.2', 'fd00::7'],
};

function resolverOf(known = hosts): Resolver {
  return {
    async addresses(host) {
      const found = known[host];
      if (found === undefined) throw new Error(`ENOTFOUND ${host}`);
      return found;
    },
    async services(name) {
      expect(name).toBe('_banyan._tcp.shop');
      return [
        { name: 'stock', port: 9002, priority: 20 },
        { name: 'product', port: 9001, priority: 10 },
      ];
    },
  };
}

const resolve = async (addresses: readonly string[], resolver = resolverOf(), last = new Map()) => [
  ...(await resolveOrigins(addresses, resolver, last)),
];

it.each([
  ['every address of a name', ['http://product:9090'], ['http://10.0.0.1:9090', 'http://10.0.0.2:9090']],
  ['an address as it is', ['http://127.0.0.1:1'], ['http://127.0.0.1:1']],
  ['an IPv6 address as it is', ['http://[::1]:1'], ['http://[::1]:1']],
  ['port 80 where none is named', ['http://10.1.1.1'], ['http://10.1.1.1:80']],
  [
    'one list of several names, each address once',
    ['http://product:1', 'http://stock:1'],
    ['http://10.0.0.1:1', 'http://10.0.0.2:1', 'http://[fd00::7]:1'],
  ],
  [
    'services of the best priority, with their ports',
    ['srv://_banyan._tcp.shop'],
    ['http://10.0.0.1:9001', 'http://10.0.0.2:9001'],
  ],
  ['what is known, when another name is not', ['http://gone:1', 'http://10.1.1.1:1'], ['http://10.1.1.1:1']],
])('knows %s', async (_what, addresses, origins) => {
  expect(await resolve(addresses)).toEqual(origins);
});

it('fails with the cause when nothing is known', async () => {
  await expect(resolve(['http://gone:1'])).rejects.toThrow('ENOTFOUND gone');
});

it('keeps what a name stood for while it can not be looked up, and only then', async () => {
  const last = new Map<string, readonly string[]>();
  const addresses = ['http://product:1', 'http://stock:1'];
  await resolve(addresses, resolverOf(), last);
  const later = await resolve(addresses, resolverOf({ stock: ['10.0.0.9'] }), last);
  expect(later).toEqual(['http://10.0.0.1:1', 'http://10.0.0.2:1', 'http://10.0.0.9:1']);
});
