import type { Scenario } from '../stage.ts';
import { accounts, farewell } from './accounts.ts';
import { catalogue } from './catalogue.ts';
import { intruders } from './intruders.ts';
import { orders } from './orders.ts';
import { payments } from './payments.ts';
import { protocol } from './protocol.ts';

/** All scenarios in their order. */
export const suite: readonly Scenario[] = [
  ...accounts,
  ...catalogue,
  ...orders,
  ...payments,
  ...protocol,
  ...intruders,
  ...farewell,
];
