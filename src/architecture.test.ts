import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkArchitecture, ruleNames } from './testing/architecture.ts';

const root = join(import.meta.dirname, '..');

function projectFiles(): Map<string, string> {
  const paths = globSync('{src,modules}/**/*.ts', { cwd: root });
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

test('the project keeps every rule about who may import whom', () => {
  const files = projectFiles();
  expect(files.size).toBeGreaterThan(50);
  expect(checkArchitecture(files)).toEqual([]);
});

/** A small house in which all rules hold, so that a planted file is the only thing that can break one. */
const house: Readonly<Record<string, string>> = {
  'src/compose.ts': "import { orderModule } from '../modules/order/module.ts';",
  'src/config.ts': 'export const env = process.env;',
  'modules/order/module.ts': 'defineModule({ needs: { product: productContract } }); Date.now();',
  'modules/order/contract.ts': "defineContract('order', { needs: ['product'] });",
  'modules/order/schema.ts': '',
  'modules/order/store.ts': "import { orders } from './schema.ts'; import { sql } from 'drizzle-orm';",
  'modules/order/order.ts': "import { sum } from '#platform/money'; import type { Line } from './lines.ts';",
  'modules/order/place-order.ts':
    "import type { Store } from './store.ts'; import { productSchema } from '#modules/product/contract';",
  'modules/order/handlers.ts': "import { placeOrder } from './place-order.ts';",
  'modules/order/order.test.ts': "import { startShop } from '#platform/testing/shop'; new Date();",
  'modules/product/module.ts': 'defineModule({ needs: {} });',
  'modules/product/contract.ts': "defineContract('product', { calls: {} });",
};

test('a house without a fault has no violation', () => {
  expect(checkArchitecture(new Map(Object.entries(house)))).toEqual([]);
});

const [
  doors,
  harness,
  platform,
  composition,
  store,
  layers,
  pure,
  clock,
  needs,
  acyclic,
  environment,
  printing,
] = ruleNames;

const planted: readonly (readonly [string | undefined, string, string])[] = [
  [
    doors,
    'modules/order/a.ts',
    "import { x } from '../product/contract.js'; import '#modules/product/store';",
  ],
  [doors, 'modules/order/a.ts', "import type { Store } from '../product/store.ts';"],
  [doors, 'modules/order/a.ts', "export * from '../../../elsewhere.ts';"],
  [doors, 'modules/order/a.ts', "const shop = await import('#platform/compose');"],
  [doors, 'modules/order/a.ts', "type Store = import('#modules/product/store').Store;"],
  [harness, 'src/http/a.ts', "import { startShop } from '../testing/shop.ts';"],
  [platform, 'src/http/a.ts', "import { orderContract } from '#modules/order/contract';"],
  [platform, 'src/http/a.ts', "export { placed } from '../../modules/order/events.ts';"],
  [composition, 'src/http/a.ts', "import { orderModule } from '../../modules/order/module.ts';"],
  [composition, 'modules/order/a.ts', "import { orderModule } from './module.ts';"],
  [store, 'modules/order/place-order.ts', "import { orders } from './schema.ts';"],
  [layers, 'modules/order/handlers.ts', "import type { Store } from './store.ts';"],
  [layers, 'modules/order/routes.ts', "import { list } from './order-store.ts';"],
  [pure, 'modules/order/order.ts', "import { readFileSync } from 'node:fs';"],
  [pure, 'modules/order/order.ts', "import { orders } from './store.ts';"],
  [pure, 'modules/order/order.ts', 'export async function decide() {}'],
  [pure, 'modules/order/lines.ts', "export const load = () => fetch('http://example.com');"],
  [clock, 'modules/order/order.ts', 'export const now = () => new Date();'],
  [clock, 'modules/order/place-order.ts', 'const at = Date.now();'],
  [needs, 'modules/order/module.ts', 'defineModule({ needs: { payment: paymentContract } });'],
  [acyclic, 'modules/product/contract.ts', "defineContract('product', { needs: ['order'] });"],
  [environment, 'src/http/a.ts', 'const port = process.env.PORT;'],
  [environment, 'modules/order/a.ts', "const port = process['env'].PORT;"],
  [printing, 'src/http/a.ts', "console.log('here');"],
  [printing, 'src/http/a.ts', "process.stdout.write('here');"],
];

test.each(planted)('a planted violation is named: %s: %s with %s', (rule, path, source) => {
  const violations = checkArchitecture(new Map(Object.entries({ ...house, [path]: source })));
  expect(violations.map((violation) => `${violation.file}: ${violation.rule}`)).toContain(`${path}: ${rule}`);
});

test('every rule has a planted violation', () => {
  expect(new Set(planted.map(([rule]) => rule))).toEqual(new Set(ruleNames));
});

test('comments and strings are no imports', () => {
  const source = "// import '../product/store.ts'\nexport const text = \"import('../product/store.ts')\";";
  expect(checkArchitecture(new Map(Object.entries({ ...house, 'modules/order/a.ts': source })))).toEqual([]);
});

test('a file that does not parse is no file without faults', () => {
  expect(() => checkArchitecture(new Map([['src/a.ts', 'import {']]))).toThrow('src/a.ts does not parse');
});
