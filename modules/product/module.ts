import { orderPaid } from '#modules/order/events';
import { handlesTogether } from '#platform/events/subscription';
import { defineModule } from '#platform/module';
import { platformMetrics } from '#platform/telemetry/catalogue';
import { counterOf } from '#platform/telemetry/instruments';
import { applyImport } from './apply-import.ts';
import { auditStock } from './audit.ts';
import { loadProductsBySku } from './catalogue-store.ts';
import { productContract } from './contract.ts';
import { createReservationCounter } from './count-reservations.ts';
import { createHandlers } from './handlers.ts';
import { IMPORT_JOB } from './import-job.ts';
import { sweepImports } from './import-store.ts';
import { EXPIRY_SWEEP_MS, IMPORT_SWEEP_MS } from './limits.ts';
import { productMetrics } from './metrics.ts';
import { createOnOrderPaid } from './on-order-paid.ts';
import { createProductCache } from './product-cache.ts';
import { createQuote } from './quote.ts';
import { createReadProduct } from './read-product.ts';
import { expireReservations, releaseStock } from './release-stock.ts';
import { createReserve, pinReservation, unpinReservation } from './reserve-stock.ts';
import { productRoutes } from './routes.ts';

export const productModule = defineModule({
  contract: productContract,
  schema: 'products',
  needs: {},
  routes: productRoutes,
  metrics: productMetrics,
  create(context) {
    const { database, registry } = context;
    const cacheRequests = counterOf(registry, platformMetrics.cacheRequests);
    const cache = createProductCache({
      load: createReadProduct(database),
      broadcast: context.broadcast,
      now: () => performance.now(),
      onRead: (result) => cacheRequests.inc({ cache: 'products', result }),
    });
    for (const result of ['hit', 'miss']) cacheRequests.inc({ cache: 'products', result }, 0);
    const countReservation = createReservationCounter(registry);
    const { changed } = cache;
    const quote = createQuote(database);
    const reserve = createReserve(database, changed);
    return {
      api: {
        async quote({ skus, currency }) {
          return { lines: await quote(skus, currency) };
        },
        async reserve(reservation) {
          await countReservation(() => reserve(reservation));
          return {};
        },
        async pin({ orderId, by }) {
          await pinReservation(database, orderId, by);
          return {};
        },
        async unpin({ orderId, by, expiresInMs }) {
          await unpinReservation(database, orderId, by, expiresInMs);
          return {};
        },
        async release({ orderId }) {
          await releaseStock(database, changed, orderId);
          return {};
        },
        async productsBySku({ skus }) {
          const found = await loadProductsBySku(database, skus);
          return { products: found.map(({ product }) => product) };
        },
      },
      handlers: createHandlers(context, cache),
      on: [handlesTogether(orderPaid, createOnOrderPaid(changed))],
      jobs: { [IMPORT_JOB]: (run) => applyImport(context, changed, run) },
      schedules: [
        {
          name: 'expire-reservations',
          everyMs: EXPIRY_SWEEP_MS,
          async run() {
            await expireReservations(database, changed);
          },
        },
        { name: 'sweep-imports', everyMs: IMPORT_SWEEP_MS, run: () => sweepImports(database) },
      ],
      audit: auditStock(database),
    };
  },
});
