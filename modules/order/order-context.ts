import type { paymentContract } from '#modules/payment/contract';
import type { productContract } from '#modules/product/contract';
import type { userContract } from '#modules/user/contract';
import type { ModuleContext } from '#platform/module';

/** What the platform hands this module, with the modules that orders are made with. */
export type OrderContext = ModuleContext<{
  user: typeof userContract;
  product: typeof productContract;
  payment: typeof paymentContract;
}>;
