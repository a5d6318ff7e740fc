import { createHmac } from 'node:crypto';
import type { Scenario } from '../stage.ts';

const NOBODY = '019a0000-0000-7000-8000-000000000000';
const gbp = (amount: number) => ({ amount, currency: 'GBP' });

export const payments: readonly Scenario[] = [
  {
    name: 'a payment is seen by its owner and by staff',
    async run(stage) {
      const anna = stage.person('anna');
      const { body } = await stage.send('GET', `/orders/${stage.thing('paid')}?expand=payment`, { as: anna });
      stage.things.set('payment', body.paymentId);
      const path = `/payments/${body.paymentId}`;
      const { header } = await stage.send('GET', path, { as: anna });
      await stage.send('GET', path, { as: anna, headers: { 'if-none-match': header('etag')! } });
      for (const name of ['bruno', 'sam', 'admin']) await stage.send('GET', path, { as: stage.person(name) });
      await stage.send('GET', path);
      await stage.send('GET', `/payments/${NOBODY}`, { as: stage.person('sam') });
      await stage.send('GET', '/payments/none', { as: stage.person('sam') });
    },
  },
  {
    name: 'a payment is given back in parts, and no more than it was',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const path = `/payments/${stage.thing('payment')}/refunds`;
      const refund = (key: string | undefined, json: unknown, as = sam) =>
        stage.send('POST', path, { as, key, json });
      const { body } = await stage.send('GET', `/payments/${stage.thing('payment')}`, { as: sam });
      const part = { amount: gbp(100), reason: 'a scratch' };
      await refund('refund-1', part, anna);
      await refund(undefined, part);
      await refund('refund-1', { amount: gbp(0), reason: 'nothing' });
      await refund('refund-1', { amount: gbp(-1), reason: 'more' });
      await refund('refund-1', { amount: gbp(1) });
      await refund('refund-1', { ...part, orderId: NOBODY });
      await refund('refund-2', part);
      await refund('refund-2', part);
      await refund('refund-2', { ...part, reason: 'two scratches' });
      await stage.send('GET', `/payments/${stage.thing('payment')}`, { as: anna });
      await refund('refund-3', { amount: { amount: 1, currency: 'EUR' }, reason: 'wrong currency' });
      await refund('refund-4', { amount: gbp(body.amount.amount), reason: 'more than is left' });
      await refund('refund-5', { amount: gbp(body.amount.amount - 100), reason: 'the rest' });
      await refund('refund-6', { amount: gbp(1), reason: 'nothing is left' });
      await stage.send('GET', `/payments/${stage.thing('payment')}`, { as: anna });
      await stage.send('POST', `/payments/${NOBODY}/refunds`, { as: sam, key: 'refund-7', json: part });
      // It is refunded whole already, so cancelling gives nothing more.
      await stage.settle();
      await stage.send('POST', `/orders/${stage.thing('paid')}/cancel`, {
        as: sam,
        json: { reason: 'broken' },
      });
      await stage.send('GET', `/orders/${stage.thing('paid')}?expand=payment`, { as: anna });
      await stage.settle();
    },
  },
  {
    name: 'a payment that failed gives nothing back',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const { body } = await stage.send('GET', `/orders/${stage.thing('declined')}?expand=payment`, {
        as: anna,
      });
      const json = { amount: gbp(1), reason: 'a mistake' };
      const path = `/payments/${body.payment?.id ?? NOBODY}`;
      await stage.send('GET', path, { as: anna });
      await stage.send('POST', `${path}/refunds`, { as: sam, key: 'refund-8', json });
      const cancelled = `/orders/${stage.thing('cancelled')}?expand=payment`;
      const { body: order } = await stage.send('GET', cancelled, { as: anna });
      await stage.send('POST', `/payments/${order.paymentId}/refunds`, { as: sam, key: 'refund-9', json });
    },
  },
  {
    name: "a provider's events are taken in by their signature",
    async run(stage) {
      const path = '/payments/webhooks/sandbox';
      const event = (id: string, key: string, type = 'charge.captured') =>
        JSON.stringify({ id, type, data: { key } });
      const sign = (body: string, ageSeconds = 0, secret = stage.secrets.webhook) => {
        const seconds = Math.floor(Date.now() / 1_000) - ageSeconds;
        return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
      };
      const send = (body: string, signature?: string, more = {}) =>
        stage.send('POST', path, {
          body,
          headers: {
            'content-type': 'application/json',
            ...(signature !== undefined && { 'webhook-signature': signature }),
            ...more,
          },
        });
      const known = event('019a0000-0000-7000-8000-000000000001', stage.thing('payment'));
      await send(known, sign(known));
      await send(known, sign(known));
      const stranger = event('019a0000-0000-7000-8000-000000000002', NOBODY);
      await send(stranger, sign(stranger));
      await send(known);
      await send(known, 'nonsense');
      await send(known, sign(stranger));
      await send(known, sign(known, 0, 'another secret'));
      await send(known, sign(known, 400));
      await send('{}', sign('{}'));
      await send('', sign(''));
      await send(known, sign(known), { 'content-type': 'text/plain' });
      const large = event('019a0000-0000-7000-8000-000000000003', 'x'.repeat(70_000));
      await send(large, sign(large));
      await stage.send('POST', '/payments/webhooks/nobody', {
        body: known,
        headers: { 'content-type': 'application/json', 'webhook-signature': sign(known) },
      });
      await stage.send('GET', path);
      await stage.settle();
    },
  },
];
