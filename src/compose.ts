import { uuidv7 } from 'uuidv7';
import { notificationModule } from '../modules/notification/module.ts';
import { orderContract } from '../modules/order/contract.ts';
import { orderModule } from '../modules/order/module.ts';
import { paymentModule } from '../modules/payment/module.ts';
import { productModule } from '../modules/product/module.ts';
import { userContract } from '../modules/user/contract.ts';
import { userModule } from '../modules/user/module.ts';
import type { Config } from './config.ts';
import type { AnyModule } from './module.ts';
import { type Api, uses } from './rpc/contract.ts';
import { openShop, type Shop, type ShopOptions } from './shop.ts';
import { platformMetrics } from './telemetry/catalogue.ts';
import type { MetricSpec } from './telemetry/instruments.ts';
import { missingPeers as findMissingPeers } from './topology.ts';

/** Every module of Banyan; the only place that knows them all. */
export const allModules: readonly AnyModule[] = [
  userModule,
  productModule,
  paymentModule,
  orderModule,
  notificationModule,
];

/** Every metric that some process of the shop tells. */
export const allMetrics: readonly MetricSpec[] = [
  ...Object.values(platformMetrics),
  ...allModules.flatMap(({ metrics }) => Object.values(metrics ?? {})),
];

/** What the shop itself asks of its modules: every process for the keys, operators for the rest. */
export const shopNeeds = {
  user: uses(userContract, 'jwks', 'rotateKeys'),
  order: uses(orderContract, 'rebuild'),
};

export type CreateShopOptions = Omit<ShopOptions, 'modules' | 'fetchKeys'> & {
  /** Default: those that the configuration names, of all. */
  readonly modules?: readonly AnyModule[];
};

/** Opens this process's part of the shop; see `openShop`. Access tokens are verified with the user module's keys. */
export async function createShop(options: CreateShopOptions): Promise<Shop> {
  const { modules: named } = options.config;
  return await openShop({
    ...options,
    modules: options.modules ?? allModules.filter(({ contract }) => named?.includes(contract.module) ?? true),
    known: options.known ?? options.modules ?? allModules,
    fetchKeys: async (apiOf) => await (apiOf('user') as Api<typeof shopNeeds.user>).jwks({}),
  });
}

/** What PEERS lacks for the modules of a process; see `topology.ts`. */
export function missingPeers(placement: Pick<Config, 'modules' | 'peers' | 'roles'>): string[] {
  return findMissingPeers(allModules, placement);
}

/**
 * Makes a new key for signing access tokens, wherever the user module runs; it signs from `signsFrom` on, and tokens
 * signed before stay good.
 */
export async function rotateKeys(shop: Shop): Promise<{ kid: string; signsFrom: string }> {
  return await shop.api(shopNeeds.user).rotateKeys({ rotationId: uuidv7() });
}

/** Writes the read model of every order anew from the orders' events; how many there were. */
export async function rebuildOrders(shop: Shop): Promise<number> {
  let total = 0;
  for (let after: string | null = null; ; ) {
    const { count, last }: { count: number; last: string | null } = await shop
      .api(shopNeeds.order)
      .rebuild({ after });
    total += count;
    if (last === null) return total;
    after = last;
  }
}
