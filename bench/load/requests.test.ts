import { expect, test } from 'vitest';
import { createRequests, draw } from './requests.ts';

const order = {
  kind: 'order',
  skus: ['A', 'B', 'C'],
  lines: 2,
  currency: 'GBP',
  tokens: ['one', 'two'],
} as const;

test('an order has different skus, a key of its own, and the length of its body', () => {
  const requests = createRequests(order, 'http://127.0.0.1:8080', 'run');
  const [first, second] = [String(requests.next()), String(requests.next())];
  const [head, body] = first.split('\r\n\r\n') as [string, string];
  const { items } = JSON.parse(body);
  expect(new Set(items.map(({ sku }: { sku: string }) => sku)).size).toBe(2);
  expect(head).toMatch(/^POST \/api\/v1\/orders HTTP\/1.1\r\nhost: 127.0.0.1:8080\r\n/);
  expect(head).toContain(`content-length: ${body.length}`);
  const keys = [first, second].map((text) => /idempotency-key: (\S+)/.exec(text)?.[1]);
  expect(new Set(keys).size).toBe(2);
  const tokens = [first, second].map((text) => /Bearer (\S+)/.exec(text)?.[1]);
  expect(new Set(tokens)).toEqual(new Set(['one', 'two']));
});

test('only a paid order is right', () => {
  const { check } = createRequests(order, 'http://127.0.0.1:8080', 'run');
  expect(check(201, Buffer.from('{"status":"paid"}'))).toBeUndefined();
  expect(check(201, Buffer.from('{"status":"pending"}'))).toContain('not paid');
  expect(check(202, Buffer.from('{"status":"paid"}'))).toContain('status 202');
});

test('a draw holds different items, up to all of them', () => {
  const items = Array.from({ length: 50 }, (_, index) => index);
  for (const count of [1, 2, 49, 50]) {
    const drawn = draw(items, count);
    expect(new Set(drawn).size).toBe(count);
    for (const item of drawn) expect(items).toContain(item);
  }
});
