import { uuidv7 } from 'uuidv7';
import { beforeAll, expect, it } from 'vitest';
import { type ContractRun, describeContract } from '#platform/testing/contract-runners';
import { productContract } from './contract.ts';

const currency = 'GBP';

/** The stock of one sku, as everybody sees it. */
async function stockOf({ api }: ContractRun<typeof productContract>, sku: string) {
  const { products } = await api.productsBySku({ skus: [sku] });
  return products[0]?.variants.find((variant) => variant.sku === sku)?.stock;
}

const reservation = (sku: string, quantity: number) => ({
  orderId: uuidv7(),
  lines: [{ sku, quantity }],
  pinned: false,
  expiresInMs: 600_000,
});

describeContract(productContract, (run) => {
  beforeAll(async () => {
    const { shop } = run();
    const { token } = await shop.signUp('staff');
    const variant = (sku: string, amount: number) => ({ sku, prices: [{ amount, currency }], onHand: 10 });
    const variants = [
      variant('MUG', 750),
      variant('CUP', 500),
      { sku: 'FREE OF PRICE', prices: [], onHand: 1 },
    ];
    const made = await shop.request('POST', '/products', { token, body: { name: 'Mug', variants } });
    expect(made.status).toBe(201);
  });

  it('quote: answers a line for each sku, in the order asked', async () => {
    const { lines } = await run().api.quote({ skus: ['CUP', 'MUG'], currency });
    expect(lines).toMatchObject([
      { sku: 'CUP', name: 'Mug', unitPrice: { amount: 500, currency } },
      { sku: 'MUG', name: 'Mug', unitPrice: { amount: 750, currency } },
    ]);
  });

  it('quote: names what it does not know and what has no price', async () => {
    const { api } = run();
    await expect(api.quote({ skus: ['MUG', 'NONE'], currency })).rejects.toMatchObject({
      kind: 'unprocessable',
      code: 'unknown_sku',
      extra: { skus: ['NONE'] },
    });
    await expect(api.quote({ skus: ['FREE OF PRICE'], currency })).rejects.toMatchObject({
      code: 'no_price',
      extra: { skus: ['FREE OF PRICE'] },
    });
  });

  it('reserve, pin, unpin and release: take stock once, and give it back once', async () => {
    const { api } = run();
    const reserved = reservation('MUG', 3);
    const { orderId } = reserved;
    await api.reserve(reserved);
    expect(await stockOf(run(), 'MUG')).toEqual({ onHand: 10, reserved: 3, available: 7 });
    const by = uuidv7();
    await api.pin({ orderId, by });
    await api.unpin({ orderId, by, expiresInMs: 600_000 });
    await api.release({ orderId });
    expect(await stockOf(run(), 'MUG')).toEqual({ onHand: 10, reserved: 0, available: 10 });
    const closed = { kind: 'conflict', code: 'reservation_closed' };
    await expect(api.reserve(reserved)).rejects.toMatchObject(closed);
    await expect(api.pin({ orderId, by })).rejects.toMatchObject(closed);
  });

  it('reserve: takes nothing when a line is short, and names that line', async () => {
    const { api } = run();
    const short = {
      ...reservation('CUP', 11),
      lines: [
        { sku: 'CUP', quantity: 11 },
        { sku: 'MUG', quantity: 1 },
      ],
    };
    await expect(api.reserve(short)).rejects.toMatchObject({
      code: 'insufficient_stock',
      extra: { items: [{ sku: 'CUP', requested: 11, available: 10 }] },
    });
    expect(await stockOf(run(), 'MUG')).toMatchObject({ reserved: 0 });
    await expect(api.reserve(reservation('NONE', 1))).rejects.toMatchObject({
      code: 'unknown_sku',
      extra: { skus: ['NONE'] },
    });
  });

  it('release: of an order never seen refuses a late reserve', async () => {
    const { api } = run();
    const late = reservation('MUG', 1);
    await api.release({ orderId: late.orderId });
    await expect(api.reserve(late)).rejects.toMatchObject({ code: 'reservation_closed' });
  });

  it('productsBySku: leaves out unknown skus', async () => {
    const { products } = await run().api.productsBySku({ skus: ['NONE', 'MUG'] });
    expect(products.map(({ name }) => name)).toEqual(['Mug']);
  });
});
