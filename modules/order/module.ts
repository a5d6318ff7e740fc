import { paymentContract } from '#modules/payment/contract';
import { lateCaptureRefunded, paymentSettled } from '#modules/payment/events';
import { productContract } from '#modules/product/contract';
import { userContract } from '#modules/user/contract';
import { userErased } from '#modules/user/events';
import { handles } from '#platform/events/subscription';
import { defineModule } from '#platform/module';
import { uses } from '#platform/rpc/contract';
import { auditOrders } from './audit.ts';
import { createCancelSaga } from './cancel-saga.ts';
import { orderContract } from './contract.ts';
import { expireUnpaid } from './expire-unpaid.ts';
import { createHandlers } from './handlers.ts';
import { UNPAID_SWEEP_MS } from './limits.ts';
import { createOnLateCaptureRefunded } from './on-late-capture-refunded.ts';
import { createOnPaymentSettled } from './on-payment-settled.ts';
import { createOnUserErased } from './on-user-erased.ts';
import { createPaySaga } from './pay-saga.ts';
import { createPlaceSaga } from './place-saga.ts';
import { createReadReceipts } from './read-receipts.ts';
import { createRebuild } from './rebuild-read-model.ts';
import { orderRoutes } from './routes.ts';

export const orderModule = defineModule({
  contract: orderContract,
  schema: 'orders',
  needs: {
    user: uses(userContract, 'profiles'),
    product: uses(productContract, 'quote', 'reserve', 'pin', 'unpin', 'release', 'productsBySku'),
    payment: uses(paymentContract, 'charge', 'reverse', 'payments', 'settlements'),
  },
  routes: orderRoutes,
  create(context) {
    const sagas = {
      place: createPlaceSaga(context),
      pay: createPaySaga(context),
      cancel: createCancelSaga(context),
    };
    return {
      api: { receipts: createReadReceipts(context), rebuild: createRebuild(context) },
      handlers: createHandlers(context, sagas),
      on: [
        handles(paymentSettled, createOnPaymentSettled(context)),
        handles(lateCaptureRefunded, createOnLateCaptureRefunded(context)),
        handles(userErased, createOnUserErased()),
      ],
      sagas: Object.values(sagas),
      schedules: [
        {
          name: 'expire-unpaid-orders',
          everyMs: UNPAID_SWEEP_MS,
          run: () => expireUnpaid(context, sagas.cancel),
        },
      ],
      audit: auditOrders(context),
    };
  },
});
