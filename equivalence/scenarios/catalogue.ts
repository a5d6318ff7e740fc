import type { Scenario, Stage } from '../stage.ts';

const NOBODY = '019a0000-0000-7000-8000-000000000000';
const gbp = (amount: number) => ({ amount, currency: 'GBP' });
const eur = (amount: number) => ({ amount, currency: 'EUR' });

/** What is for sale in all later scenarios. */
const range = [
  {
    name: 'Green tea',
    description: 'Leaves from the hills, dried in the sun.',
    category: 'tea',
    variants: [
      { sku: 'TEA-100', options: { grams: '100' }, prices: [gbp(450), eur(520)], onHand: 500 },
      { sku: 'TEA-500', options: { grams: '500' }, prices: [gbp(1_999)], onHand: 40 },
    ],
  },
  {
    name: 'Black tea',
    category: 'tea',
    variants: [{ sku: 'TEA-B', prices: [gbp(399), eur(399)], onHand: 100 }],
  },
  { name: 'Tea pot', category: 'ware', variants: [{ sku: 'POT', prices: [gbp(2_550)], onHand: 3 }] },
  { name: 'Cup', category: 'ware', variants: [{ sku: 'CUP', prices: [gbp(333)], onHand: 1_000 }] },
  { name: 'Cup', category: 'ware', variants: [{ sku: 'cup', prices: [gbp(334)], onHand: 5 }] },
  { name: 'Sample', variants: [{ sku: 'FREE', prices: [gbp(0), eur(0)], onHand: 50 }] },
  { name: 'Collector’s piece', variants: [{ sku: 'DEAR', prices: [gbp(9_007_199_254_740_991)], onHand: 9 }] },
  { name: 'Unpriced', variants: [{ sku: 'UNPRICED', prices: [], onHand: 9 }] },
  { name: 'Gone', variants: [{ sku: 'GONE', prices: [gbp(100)] }] },
  { name: 'Grüße & Café "tea"', variants: [{ sku: 'A/B C%', prices: [gbp(77)], onHand: 7 }] },
];

export const catalogue: readonly Scenario[] = [
  {
    name: 'staff make the catalogue',
    async run(stage) {
      for (const json of range) {
        const { body } = await stage.send('POST', '/products', { as: stage.person('sam'), json });
        for (const { sku } of json.variants) stage.things.set(sku, body.id);
      }
    },
  },
  {
    name: 'a product is refused',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const variants = [{ sku: 'NEW', prices: [gbp(1)] }];
      const good = { name: 'New', variants };
      await stage.send('POST', '/products', { json: good });
      await stage.send('POST', '/products', { as: anna, json: good });
      for (const json of [
        { ...good, slug: 'green-tea' },
        { ...good, variants: [{ sku: 'TEA-100', prices: [] }] },
        { ...good, slug: 'Not A Slug' },
        { ...good, name: '   ' },
        { ...good, price: 5 },
        { ...good, variants: [] },
        { ...good, variants: [...variants, ...variants] },
        { ...good, variants: [{ sku: 'NEW', prices: [gbp(-1)] }] },
        { ...good, variants: [{ sku: 'NEW', prices: [gbp(1.5)] }] },
        { ...good, variants: [{ sku: 'NEW', prices: [gbp(2 ** 53)] }] },
        { ...good, variants: [{ sku: 'NEW', prices: [{ amount: 1, currency: 'XXL' }] }] },
        { ...good, variants: [{ sku: 'NEW', prices: [gbp(1), gbp(2)] }] },
        { ...good, variants: [{ sku: 'NEW', prices: [], onHand: -1 }] },
        { ...good, variants: [{ sku: '', prices: [] }] },
      ]) {
        await stage.send('POST', '/products', { as: sam, json });
      }
    },
  },
  {
    name: 'a product is read, with its ETag',
    async run(stage) {
      const path = `/products/${stage.thing('TEA-100')}`;
      const { header } = await stage.send('GET', path);
      const etag = header('etag')!;
      await stage.send('HEAD', path);
      for (const value of [etag, `W/${etag}`, `"0.a", ${etag}`, '*', '"0.a"', 'nonsense']) {
        await stage.send('GET', path, { headers: { 'if-none-match': value } });
      }
      await stage.send('HEAD', path, { headers: { 'if-none-match': etag } });
      for (const id of [NOBODY, 'tea', '%20']) await stage.send('GET', `/products/${id}`);
    },
  },
  {
    name: 'a product is changed',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const path = `/products/${stage.thing('TEA-B')}`;
      const before = (await stage.send('GET', path)).header('etag')!;
      const change = (json: unknown, headers = {}) => stage.send('PATCH', path, { as: sam, json, headers });
      await stage.send('PATCH', path, { as: anna, json: { name: 'Mine' } });
      await stage.send('PATCH', `/products/${NOBODY}`, { as: sam, json: { name: 'Nobody’s' } });
      await change({ name: 'Black tea, strong', description: 'For mornings.' }, { 'if-match': before });
      await change({ name: 'Late' }, { 'if-match': before });
      await change({ name: 'Late' }, { 'if-match': 'nonsense' });
      await change({ category: null }, { 'if-match': '*' });
      await change({ category: 'tea', slug: 'strong-tea' });
      await change({ slug: 'green-tea' });
      await change({ variants: [{ sku: 'TEA-B', options: { grams: '100' }, prices: [gbp(388)] }] });
      await change({ variants: [{ sku: 'TEA-B1', prices: [gbp(1_500)], onHand: 12 }] });
      await change({ variants: [{ sku: 'TEA-B', onHand: 5 }] });
      await change({ variants: [{ sku: 'POT', prices: [gbp(1)] }] });
      await change({ status: 'sold out' });
      await change({});
      await stage.send('GET', path);
    },
  },
  {
    name: 'a product is archived, and brought back',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const path = `/products/${stage.thing('GONE')}`;
      const etag = (await stage.send('GET', path)).header('etag')!;
      await stage.send('DELETE', path, { as: anna });
      await stage.send('DELETE', path, { as: sam, headers: { 'if-match': '"0.a"' } });
      await stage.send('DELETE', path, { as: sam, headers: { 'if-match': `W/${etag}` } });
      await stage.send('DELETE', path, { as: sam });
      await stage.send('DELETE', `/products/${NOBODY}`, { as: sam });
      await stage.send('GET', path);
      await stage.send('GET', '/products?sku=GONE');
      await stage.send('PATCH', path, { as: sam, json: { status: 'active' } });
      await stage.send('DELETE', path, { as: sam });
    },
  },
  {
    name: 'prices are set, and their history is kept',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const of = (sku: string) =>
        `/products/${stage.thing('CUP')}/variants/${encodeURIComponent(sku)}/prices`;
      await stage.send('PUT', `${of('CUP')}/GBP`, { as: anna, json: { amount: 1 } });
      for (const amount of [350, 349, 349]) {
        await stage.send('PUT', `${of('CUP')}/GBP`, { as: sam, json: { amount } });
      }
      await stage.send('PUT', `${of('CUP')}/JPY`, { as: sam, json: { amount: 600 } });
      await stage.send('PUT', `${of('CUP')}/gbp`, { as: sam, json: { amount: 1 } });
      await stage.send('PUT', `${of('CUP')}/GBP`, { as: sam, json: { amount: -1 } });
      await stage.send('PUT', `${of('POT')}/GBP`, { as: sam, json: { amount: 1 } });
      await stage.send('PUT', `${of('CUP')}/GBP`, {
        as: sam,
        json: { amount: 1 },
        headers: { 'if-match': '"1.a"' },
      });
      const first = await stage.send('GET', `${of('CUP')}?limit=2`, { as: sam });
      await stage.send('GET', `${of('CUP')}?cursor=${first.body.nextCursor}`, { as: sam });
      await stage.send('GET', of('NONE'), { as: sam });
      await stage.send('GET', of('CUP'), { as: anna });
    },
  },
  {
    name: 'stock is counted, and its ledger is kept',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const of = (thing: string, sku = thing) =>
        `/products/${stage.thing(thing)}/variants/${encodeURIComponent(sku)}/stock`;
      const adjust = (json: unknown, key?: string) => stage.send('POST', of('CUP'), { as: sam, key, json });
      await stage.send('POST', of('CUP'), { as: anna, json: { delta: 1, reason: 'mine' } });
      await adjust({ delta: 20, reason: 'a delivery' }, 'delivery-1');
      await adjust({ delta: 20, reason: 'a delivery' }, 'delivery-1');
      await adjust({ delta: 21, reason: 'a delivery' }, 'delivery-1');
      await adjust({ delta: -3, reason: 'broken' });
      await adjust({ delta: -5_000, reason: 'all broken' });
      await adjust({ delta: 0, reason: 'nothing' });
      await adjust({ delta: 1.5, reason: 'half' });
      await adjust({ delta: 1 });
      await stage.send('POST', of('CUP', 'NONE'), { as: sam, json: { delta: 1, reason: 'found' } });
      await stage.send('POST', of('A/B C%'), { as: sam, json: { delta: 1, reason: 'found' } });
      const first = await stage.send('GET', `${of('CUP')}?limit=1`, { as: sam });
      await stage.send('GET', `${of('CUP')}?limit=1&cursor=${first.body.nextCursor}`, { as: sam });
      await stage.send('GET', of('TEA-500'), { as: sam });
      await stage.send('GET', of('CUP'), { as: anna });
      await stage.send('GET', `/products/${stage.thing('CUP')}`);
    },
  },
  {
    name: 'products are listed, filtered and sorted',
    async run(stage) {
      const ids = `${stage.thing('POT')},${stage.thing('CUP')}`;
      for (const query of [
        '',
        'q=tea',
        'q=tea+sun',
        'q=gr%C3%BC',
        'q=%27%3B--',
        'category=ware',
        'category=none',
        'sku=CUP&sku=cup&sku=none',
        'sku=A%2FB%20C%25',
        `ids=${ids}`,
        `ids=${stage.thing('POT')}&ids=${NOBODY}`,
        'currency=EUR',
        'currency=GBP&minPrice=300&maxPrice=500',
        'currency=JPY&sort=price',
        'inStock=true&category=ware',
        'inStock=false',
        'unknown=member',
      ]) {
        await stage.send('GET', `/products?${query}`);
      }
      for (const sort of ['createdAt', '-createdAt', 'name', '-name', 'price', '-price']) {
        await walk(stage, `/products?limit=4&currency=GBP&sort=${sort}`);
      }
    },
  },
  {
    name: 'a list is refused',
    async run(stage) {
      const first = await stage.send('GET', '/products?limit=1');
      for (const query of [
        'sort=price',
        'minPrice=1',
        'minPrice=-1&currency=GBP',
        'sort=size',
        'ids=none',
        'q=',
        'limit=-1',
        'limit=1.5',
        'inStock=yes',
        'currency=pounds',
        'sort=name&sort=price',
        'q=a%00b',
        'cursor=forged',
        'cursor=forged.forged',
        `limit=1&category=tea&cursor=${first.body.nextCursor}`,
        `limit=1&cursor=${first.body.nextCursor}x`,
        `cursor=${'x'.repeat(1_001)}`,
      ]) {
        await stage.send('GET', `/products?${query}`);
      }
    },
  },
  {
    name: 'a catalogue file is imported',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const csv = [
        'sku,name,price_minor,currency,on_hand,category,description',
        'IMP-1,Imported one,100,GBP,10,imported,"First, of ""many"""',
        'IMP-2,Imported two,200,GBP,20,imported,',
        'TEA-500,Green tea,1899,GBP,999,,',
        'IMP-1,Twice,100,GBP,10,,',
        'IMP-3,No price,none,GBP,1,,',
        'IMP-4,No currency,100,XXL,1,,',
        ',No sku,100,GBP,1,,',
        'IMP-5,Too few',
        'IMP-6,Imported two,300,EUR,0,imported,Same name',
      ].join('\n');
      const type = { 'content-type': 'text/csv' };
      await stage.send('POST', '/products/import', { body: csv, headers: type });
      await stage.send('POST', '/products/import', { as: anna, body: csv, headers: type });
      await stage.send('POST', '/products/import', { as: sam, json: { csv } });
      await stage.send('POST', '/products/import', { as: sam, body: 'name,sku\n1,2\n', headers: type });
      await stage.send('POST', '/products/import', { as: sam, body: '', headers: type });
      for (const chunked of [false, true]) {
        const { body, header } = await stage.send('POST', '/products/import', {
          as: sam,
          body: csv,
          headers: type,
          chunked,
        });
        const job = `/jobs/${body.id}`;
        await stage.eventually('GET', job, { as: sam }, (answer) => answer.body.state === 'done');
        await stage.send('GET', `!${header('location')}`, { as: anna });
        await stage.send('GET', job);
        await stage.send('GET', '/products?category=imported&sort=name');
      }
      await stage.send('GET', `/jobs/${NOBODY}`, { as: sam });
    },
  },
];

/** All pages of a list. */
async function walk(stage: Stage, path: string): Promise<void> {
  let cursor: string | null = null;
  do {
    const { body } = await stage.send('GET', cursor === null ? path : `${path}&cursor=${cursor}`);
    cursor = body.nextCursor;
  } while (cursor !== null);
}
