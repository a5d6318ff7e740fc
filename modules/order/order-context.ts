import type { paymentContract } from '#modules/payment/contract';
import type { productContract } from '#modules/product/contract';
import type { userContract } from '#modules/user/contract';
import type { ModuleContext } from '#platform/module';
import type { Uses } from '#platform/rpc/contract';

/** What the platform hands this module, with the modules that orders are made with. */
export type OrderContext = ModuleContext<{
  user: Uses<typeof userContract, 'profiles'>;
  product: Uses<typeof productContract, 'quote' | 'reserve' | 'pin' | 'unpin' | 'release' | 'productsBySku'>;
  payment: Uses<typeof paymentContract, 'charge' | 'reverse' | 'payments' | 'settlements'>;
}>;
