import { sleep } from '../../src/deadline.ts';
import type { Answer } from '../client.ts';
import type { Person, Scenario, Stage } from '../stage.ts';

const NOBODY = '019a0000-0000-7000-8000-000000000000';
const address = { name: 'Anna B.', line1: '1 High Street', city: 'York', country: 'GB' };

/** A body for `POST /orders`. No token: it awaits payment. */
function wish(items: Readonly<Record<string, number>>, token?: string, more: object = {}) {
  return {
    items: Object.entries(items).map(([sku, quantity]) => ({ sku, quantity })),
    currency: 'GBP',
    ...(token !== undefined && { payment: { method: 'card', token } }),
    ...more,
  };
}

/** Places an order by anna under a key of that name, and remembers its id by it. */
async function place(stage: Stage, key: string, json: unknown, headers = {}): Promise<Answer> {
  const answer = await stage.send('POST', '/orders', { as: stage.person('anna'), key, json, headers });
  const id = answer.body?.id ?? answer.body?.orderId;
  if (id !== undefined) stage.things.set(key, id);
  return answer;
}

export const orders: readonly Scenario[] = [
  {
    name: 'an order is paid',
    async run(stage) {
      const json = wish({ 'TEA-100': 2, CUP: 1, 'A/B C%': 3 }, 'tok_ok', { shippingAddress: address });
      const { header } = await place(stage, 'paid', json);
      await stage.send('GET', `!${header('location')}`, { as: stage.person('anna') });
      await stage.settle();
      const product = `/products/${stage.thing('TEA-100')}`;
      await stage.eventually('GET', product, {}, ({ body }) => body.variants[0].stock.reserved === 0);
      await stage.send('GET', `${product}/variants/TEA-100/stock`, { as: stage.person('sam') });
    },
  },
  {
    name: 'equal lines are added up, and other currencies are their own prices',
    async run(stage) {
      const items = [
        { sku: 'TEA-B', quantity: 1 },
        { sku: 'TEA-100', quantity: 1 },
        { sku: 'TEA-B', quantity: 2 },
      ];
      await place(stage, 'euros', { items, currency: 'EUR', payment: { method: 'card', token: 'tok_ok' } });
    },
  },
  {
    name: 'an order that costs nothing is paid without a charge',
    async run(stage) {
      await place(stage, 'free', wish({ FREE: 2 }, 'tok_ok'));
      await place(stage, 'free, no card', wish({ FREE: 1 }));
    },
  },
  {
    name: 'an order awaits payment, is declined, and then paid',
    async run(stage) {
      const [anna, bruno, sam] = ['anna', 'bruno', 'sam'].map(stage.person);
      const { body, header } = await place(stage, 'later', wish({ CUP: 3 }));
      const path = `/orders/${body.id}/payment`;
      const pay = (key: string | undefined, token: string, as = anna, headers = {}) =>
        stage.send('POST', path, { as, key, json: { method: 'card', token }, headers });
      await pay('pay-1', 'tok_declined');
      await pay('pay-1', 'tok_declined');
      await pay('pay-2', 'tok_ok', bruno);
      await pay('pay-2', 'tok_ok', sam);
      await pay(undefined, 'tok_ok');
      await pay('pay-3', 'tok_ok', anna, { 'if-match': '"1.a"' });
      await stage.send('POST', path, { as: anna, key: 'pay-4', json: { method: 'cash', token: 'x' } });
      await stage.send('POST', `/orders/${NOBODY}/payment`, {
        as: anna,
        key: 'pay-5',
        json: { method: 'card', token: 'tok_ok' },
      });
      await pay('pay-6', 'tok_ok', anna, { 'if-match': header('etag')! });
      await pay('pay-6', 'tok_ok', anna, { 'if-match': header('etag')! });
      await pay('pay-7', 'tok_declined');
      await stage.settle();
    },
  },
  {
    name: 'an order is rejected for want of stock, and nothing of it is kept',
    async run(stage) {
      await place(stage, 'too many', wish({ POT: 4, 'TEA-100': 1, cup: 6 }, 'tok_ok'));
      await place(stage, 'too many', wish({ POT: 4, 'TEA-100': 1, cup: 6 }, 'tok_ok'));
      await stage.send('GET', `/orders/${stage.thing('too many')}`, { as: stage.person('anna') });
      await stage.send('GET', `/orders/${stage.thing('too many')}/events`, { as: stage.person('anna') });
      await stage.settle();
      await stage.send('GET', '/products?sku=POT&sku=cup&sku=TEA-100');
    },
  },
  {
    name: 'a card is declined, and the stock comes back',
    async run(stage) {
      await place(stage, 'declined', wish({ POT: 3 }, 'tok_declined'));
      await place(stage, 'declined', wish({ POT: 3 }, 'tok_declined'));
      await place(stage, 'unknown card', wish({ POT: 3 }, 'tok_of_nobody'));
      await stage.send('GET', `/orders/${stage.thing('declined')}?expand=payment`, {
        as: stage.person('anna'),
      });
      await stage.send('GET', '/products?sku=POT');
    },
  },
  {
    name: 'an order of what is not sold is refused',
    async run(stage) {
      await place(stage, 'unknown sku', wish({ NONE: 1, 'TEA-100': 1, NOTHING: 1 }, 'tok_ok'));
      await place(stage, 'archived', wish({ GONE: 1 }, 'tok_ok'));
      await place(stage, 'wrong case', wish({ 'tea-100': 1 }, 'tok_ok'));
      await place(stage, 'no price', wish({ UNPRICED: 1, CUP: 1 }, 'tok_ok'));
      await place(stage, 'no price in francs', wish({ CUP: 1 }, 'tok_ok', { currency: 'CHF' }));
      await place(stage, 'too dear', wish({ DEAR: 2 }, 'tok_ok'));
    },
  },
  {
    name: 'an order that makes no sense is refused',
    async run(stage) {
      const line = { sku: 'CUP', quantity: 1 };
      const good = { items: [line], currency: 'GBP' };
      let number = 0;
      for (const json of [
        { ...good, items: [] },
        { ...good, items: [{ ...line, quantity: 0 }] },
        { ...good, items: [{ ...line, quantity: -1 }] },
        { ...good, items: [{ ...line, quantity: 1.5 }] },
        { ...good, items: [{ ...line, quantity: 1_000_001 }] },
        { ...good, items: [{ ...line, quantity: '1' }] },
        { ...good, items: [{ ...line, price: 1 }] },
        { ...good, items: Array.from({ length: 2_001 }, () => line) },
        { ...good, currency: 'gbp' },
        { ...good, status: 'paid' },
        { ...good, userId: NOBODY },
        { ...good, payment: { method: 'card', token: '' } },
        { ...good, payment: { method: 'card', token: 'tok_ok', number: '4242' } },
        { ...good, shippingAddress: { name: 'x'.repeat(201) } },
        { items: [line] },
        null,
      ]) {
        number += 1;
        await place(stage, `senseless-${number}`, json);
      }
      await stage.send('POST', '/orders', { key: 'no token', json: good });
    },
  },
  {
    name: 'a provider is slow, silent or flaky, and the order is paid all the same',
    async run(stage) {
      const anna = stage.person('anna');
      await place(stage, 'flaky', wish({ CUP: 1 }, 'tok_flaky'));
      await place(stage, 'timeout', wish({ CUP: 1 }, 'tok_timeout'));
      await place(stage, 'by webhook', wish({ CUP: 2 }, 'tok_later'));
      await place(stage, 'by webhook', wish({ CUP: 2 }, 'tok_later'));
      await place(stage, 'by webhook', wish({ CUP: 2 }, 'tok_later'));
      await place(stage, 'by webhook, awaited', wish({ CUP: 1 }, 'tok_later'), { prefer: 'wait=20' });
      for (const key of ['flaky', 'timeout', 'by webhook']) {
        await stage.send('GET', `/orders/${stage.thing(key)}?expand=payment`, { as: anna });
        await stage.send('GET', `/orders/${stage.thing(key)}/events`, { as: anna });
      }
    },
  },
  {
    name: 'a client does not wait, and asks again',
    async run(stage) {
      const json = wish({ CUP: 1 }, 'tok_timeout');
      const { header } = await place(stage, 'async', json, { prefer: 'respond-async' });
      await place(stage, 'async', json, { prefer: 'wait=30' });
      await stage.send('GET', `!${header('location')}`, { as: stage.person('anna') });
      await place(stage, 'impatient', json, { prefer: 'wait=1' });
      await place(stage, 'impatient', json, { prefer: 'nonsense, wait=10;foo=bar' });
      await place(stage, 'async, later', wish({ CUP: 1 }), { prefer: 'respond-async' });
      // Its end comes at once, and a repeat that comes after it is a replay.
      await stage.settle();
      await place(stage, 'async, later', wish({ CUP: 1 }), { prefer: 'wait=10' });
    },
  },
  {
    name: 'a key means one request',
    async run(stage) {
      const [anna, bruno] = ['anna', 'bruno'].map(stage.person);
      const json = wish({ CUP: 1 }, 'tok_ok', { shippingAddress: address });
      const send = (key: string | undefined, body: unknown = json, as = anna) =>
        stage.send('POST', '/orders', { as, key, json: body });
      await send(undefined);
      await send('');
      await send('x'.repeat(256));
      await send('tab\there');
      await send('key');
      await send('key');
      await send('key', wish({ CUP: 2 }, 'tok_ok'));
      await send('key', json, bruno);
      await send('y'.repeat(255));
      await send('unknown first', wish({ NONE: 1 }, 'tok_ok'));
      await send('unknown first', wish({ NONE: 1 }, 'tok_ok'));
      await send('unknown first', json);
      // Same members in another order are other bytes.
      const { items, ...rest } = json;
      await send('key', { ...rest, items });
    },
  },
  {
    name: 'a key is refused while its first request runs',
    async run(stage) {
      const anna = stage.person('anna');
      const json = wish({ CUP: 1 }, 'tok_timeout');
      // The provider is silent for 2 s, so the second request comes while the first is under way; it is written
      // down first, since it is answered first.
      const first = stage.send('POST', '/orders', { as: anna, key: 'slow', json });
      await sleep(700);
      await stage.send('POST', '/orders', { as: anna, key: 'slow', json });
      await first;
      await stage.send('POST', '/orders', { as: anna, key: 'slow', json });
    },
  },
  {
    name: 'an order is seen by its owner and by staff',
    async run(stage) {
      const path = `/orders/${stage.thing('paid')}`;
      const { header } = await stage.send('GET', path, { as: stage.person('anna') });
      await stage.send('GET', path, {
        as: stage.person('anna'),
        headers: { 'if-none-match': header('etag')! },
      });
      for (const name of ['bruno', 'sam', 'admin']) {
        await stage.send('GET', path, { as: stage.person(name) });
        await stage.send('GET', `${path}/events`, { as: stage.person(name) });
      }
      await stage.send('GET', path);
      await stage.send('HEAD', path, { as: stage.person('anna') });
      await stage.send('GET', `/orders/${NOBODY}`, { as: stage.person('sam') });
      await stage.send('GET', '/orders/none', { as: stage.person('sam') });
    },
  },
  {
    name: 'an order is expanded',
    async run(stage) {
      const [anna, bruno, sam] = ['anna', 'bruno', 'sam'].map(stage.person);
      await stage.settle();
      const all = ['user', 'items.product', 'payment'];
      for (let chosen = 0; chosen < 8; chosen += 1) {
        const expand = all.filter((_, number) => chosen & (1 << number)).join(',');
        const query = expand === '' ? '' : `?expand=${expand}`;
        for (const as of [anna, sam])
          await stage.send('GET', `/orders/${stage.thing('paid')}${query}`, { as });
        await stage.send('GET', `/orders/${stage.thing('paid')}${query}`, { as: bruno });
      }
      for (const key of ['free', 'too many', 'declined', 'later']) {
        await stage.send('GET', `/orders/${stage.thing(key)}?expand=${all.join(',')}`, { as: anna });
      }
      for (const expand of [
        '',
        'everything',
        'user,user',
        'user,',
        ' user ,%20payment',
        'user&expand=payment',
      ]) {
        await stage.send('GET', `/orders/${stage.thing('paid')}?expand=${encodeURI(expand)}`, { as: anna });
      }
    },
  },
  {
    name: 'orders are listed',
    async run(stage) {
      const [anna, bruno, sam] = ['anna', 'bruno', 'sam'].map(stage.person);
      const pages = async (as: Person | undefined, query: string) => {
        let cursor: string | null = null;
        do {
          const more: string = cursor === null ? '' : `&cursor=${cursor}`;
          const { body } = await stage.send('GET', `/orders?limit=10${query}${more}`, { as });
          cursor = body.nextCursor;
        } while (cursor !== null);
        return cursor;
      };
      await pages(anna, '');
      await pages(sam, '&status=rejected');
      await pages(bruno, '');
      for (const query of [
        'status=awaiting_payment',
        `userId=${bruno!.id}`,
        'from=2020-01-01&to=2021-01-01',
        'from=2020-01-01T00:00:00%2B01:00&limit=1',
        'status=lost',
        'userId=anna',
        'from=yesterday',
        'from=0000-01-01',
        'cursor=forged',
        'limit=0',
      ]) {
        await stage.send('GET', `/orders?${query}`, { as: anna });
      }
      await stage.send('GET', `/orders?userId=${bruno!.id}`, { as: sam });
      await stage.send('GET', '/orders');
    },
  },
  {
    name: 'an order is shipped and delivered',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const { body, header } = await place(stage, 'shipped', wish({ CUP: 1 }, 'tok_ok'));
      const path = `/orders/${body.id}`;
      const shipment = { trackingNumber: 'TRACK-1', carrier: 'Royal Mail' };
      await stage.send('POST', `${path}/deliver`, { as: sam });
      await stage.send('POST', `${path}/ship`, { as: anna, json: shipment });
      await stage.send('POST', `${path}/ship`, { as: sam, json: {} });
      await stage.send('POST', `${path}/ship`, { as: sam });
      await stage.send('POST', `${path}/ship`, { as: sam, json: shipment, headers: { 'if-match': '"1.a"' } });
      await stage.send('POST', `${path}/ship`, {
        as: sam,
        key: 'ship',
        json: shipment,
        headers: { 'if-match': header('etag')! },
      });
      await stage.send('POST', `${path}/ship`, { as: sam, key: 'ship', json: shipment });
      await stage.send('POST', `${path}/ship`, { as: sam, json: { trackingNumber: 'TRACK-2' } });
      await stage.send('POST', `${path}/cancel`, { as: anna, json: { reason: 'too late' } });
      await stage.send('POST', `${path}/deliver`, { as: anna });
      await stage.send('POST', `${path}/deliver`, { as: sam, json: {} });
      await stage.send('POST', `${path}/deliver`, { as: sam });
      await stage.send('POST', `${path}/cancel`, { as: sam, json: { reason: 'too late' } });
      await stage.send('POST', `${path}/ship`, { as: sam, json: shipment });
      await stage.send('GET', `${path}/events`, { as: anna });
      await stage.send('POST', `/orders/${NOBODY}/ship`, { as: sam, json: shipment });
      await stage.send('POST', `/orders/${stage.thing('too many')}/ship`, { as: sam, json: shipment });
      await stage.settle();
    },
  },
  {
    name: 'an order is cancelled, and money and stock go back once',
    async run(stage) {
      const [anna, bruno, sam] = ['anna', 'bruno', 'sam'].map(stage.person);
      const reason = { reason: 'changed my mind' };
      const { body: paid } = await place(stage, 'cancelled', wish({ POT: 2 }, 'tok_ok'));
      // So that it is sold by then, and not merely reserved.
      await stage.settle();
      await stage.send('POST', `/orders/${paid.id}/cancel`, { as: bruno, json: reason });
      await stage.send('POST', `/orders/${paid.id}/cancel`, { as: anna });
      await stage.send('POST', `/orders/${paid.id}/cancel`, { as: anna, json: { reason: '' } });
      await stage.send('POST', `/orders/${paid.id}/cancel`, {
        as: anna,
        json: reason,
        headers: { 'if-match': '"1.a"' },
      });
      await stage.send('POST', `/orders/${paid.id}/cancel`, { as: anna, key: 'cancel', json: reason });
      await stage.send('POST', `/orders/${paid.id}/cancel`, { as: anna, key: 'cancel', json: reason });
      await stage.send('POST', `/orders/${paid.id}/cancel`, { as: sam, json: { reason: 'again' } });
      await stage.send('POST', `/orders/${paid.id}/payment`, {
        as: anna,
        key: 'pay a cancelled one',
        json: { method: 'card', token: 'tok_ok' },
      });
      const { body: unpaid } = await place(stage, 'cancelled unpaid', wish({ POT: 1 }));
      await stage.send('POST', `/orders/${unpaid.id}/cancel`, { as: sam, json: { reason: 'no answer' } });
      const { body: shipped } = await place(stage, 'called back', wish({ CUP: 4 }, 'tok_ok'));
      await stage.settle();
      await stage.send('POST', `/orders/${shipped.id}/ship`, {
        as: sam,
        json: { trackingNumber: 'TRACK-3' },
      });
      await stage.send('POST', `/orders/${shipped.id}/cancel`, { as: sam, json: { reason: 'called back' } });
      await stage.settle();
      for (const { id } of [paid, unpaid, shipped]) {
        await stage.send('GET', `/orders/${id}?expand=payment`, { as: anna });
        await stage.send('GET', `/orders/${id}/events`, { as: anna });
      }
      await stage.send('GET', '/products?sku=POT&sku=CUP');
      await stage.send('GET', `/products/${stage.thing('POT')}/variants/POT/stock`, { as: sam });
      await stage.send('POST', `/orders/${stage.thing('too many')}/cancel`, { as: anna, json: reason });
      await stage.send('POST', `/orders/${NOBODY}/cancel`, { as: anna, json: reason });
    },
  },
  {
    name: 'an order is cancelled while its card has no outcome yet',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      // Whether the webhook is quicker than the cancellation cannot be told; both are within its 1.5 s here.
      const { body } = await place(stage, 'cancelled early', wish({ CUP: 2 }, 'tok_later'));
      await stage.send('POST', `/orders/${body.id}/cancel`, { as: sam, json: { reason: 'a mistake' } });
      await stage.settle();
      await place(stage, 'cancelled early', wish({ CUP: 2 }, 'tok_later'));
      await stage.send('GET', `/orders/${body.id}?expand=payment`, { as: anna });
      await stage.send('GET', `/orders/${body.id}/events`, { as: anna });
    },
  },
];
