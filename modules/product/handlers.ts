import { AppError } from '#platform/errors';
import type { Answer, Handlers } from '#platform/http/route';
import type { ModuleContext } from '#platform/module';
import { adjustStock } from './adjust-stock.ts';
import { archiveProduct } from './archive-product.ts';
import { changeProduct } from './change-product.ts';
import type { Product } from './contract.ts';
import { createProduct } from './create-product.ts';
import { listPrices, listStockEntries } from './list-history.ts';
import { listProducts, type ProductListQuery } from './list-products.ts';
import type { ProductCache } from './product-cache.ts';
import type { productRoutes } from './routes.ts';
import { setPrice } from './set-price.ts';
import { createSharedRead } from './shared-read.ts';
import { stageImport } from './stage-import.ts';

/** Each route's use case, and the status of its answer. */
export function createHandlers(context: ModuleContext, cache: ProductCache): Handlers<typeof productRoutes> {
  const { database, cursors, idempotency, newId } = context;
  const { changed } = cache;
  const readList = createSharedRead((query: ProductListQuery) => listProducts(database, cursors, query));
  return {
    async listProducts({ query }) {
      return { status: 200, body: await readList(query) };
    },
    async createProduct({ body, claim }) {
      return await idempotency.once(claim, async (tx) => {
        const created = await createProduct(tx, newId, body);
        const location = `/api/v1/products/${created.product.id}`;
        return { ...answer(201, created), headers: { location } };
      });
    },
    async importProducts({ stream }) {
      const job = await stageImport(context, stream!);
      return { status: 202, body: job, headers: { location: `/api/v1/jobs/${job.id}` } };
    },
    async readProduct({ params }) {
      return answer(200, await cache.read(params.id));
    },
    async changeProduct({ params, body, ifMatch }) {
      const change = { id: params.id, ifMatch, body };
      return answer(200, await database.transaction((tx) => changeProduct(tx, newId, changed, change)));
    },
    async archiveProduct({ params, ifMatch }) {
      await archiveProduct(database, changed, params.id, ifMatch);
      return { status: 204 };
    },
    async setPrice({ params, body, ifMatch }) {
      const price = { amount: body.amount, currency: params.currency };
      const change = { productId: params.id, sku: params.sku, price, ifMatch };
      const { version } = await setPrice(database, changed, change);
      return { status: 200, body: price, version };
    },
    async listPrices({ params, query }) {
      const page = { productId: params.id, sku: params.sku, ...query };
      return { status: 200, body: await listPrices(database, cursors, page) };
    },
    async adjustStock({ params, body, claim }) {
      return await idempotency.once(claim, async (tx) => {
        const { position: _, ...entry } = await adjustStock(tx, changed, {
          productId: params.id,
          sku: params.sku,
          ...body,
        });
        return { status: 201, body: { ...entry, sku: params.sku } };
      });
    },
    async listStockEntries({ params, query }) {
      const page = { productId: params.id, sku: params.sku, ...query };
      return { status: 200, body: await listStockEntries(database, cursors, page) };
    },
    async readJob({ params }) {
      const job = await context.jobs.get(params.id);
      if (!job) throw new AppError('not_found', 'not_found', 'there is no such job');
      return { status: 200, body: job };
    },
  };
}

function answer(status: number, { product, version }: { product: Product; version: number }): Answer {
  return { status, body: product, version };
}
