import { paymentContract } from '#modules/payment/contract';
import { productContract } from '#modules/product/contract';
import { userContract } from '#modules/user/contract';
import type { ModuleContext } from '#platform/module';

/** The modules that orders are made with. */
export const needs = { user: userContract, product: productContract, payment: paymentContract };

export type OrderContext = ModuleContext<typeof needs>;
