import type { Suite } from './suite.ts';
import { bigSuite } from './suites/big.ts';
import { embeddedSuite } from './suites/embedded.ts';
import { eventsSuite } from './suites/events.ts';
import { orderGrowthSuite, productGrowthSuite } from './suites/growth.ts';
import { hotSuite } from './suites/hot.ts';
import { loginSuite } from './suites/login.ts';
import { memoryHourSuite, memorySuite } from './suites/memory.ts';
import { orderSuite } from './suites/order.ts';
import { readSuite } from './suites/read.ts';
import { replaySuite } from './suites/replay.ts';
import { splitSuite } from './suites/split.ts';
import { startSuite } from './suites/start.ts';

/** In the order in which they run. */
export const suites: readonly Suite[] = [
  readSuite,
  orderSuite,
  hotSuite,
  bigSuite,
  replaySuite,
  splitSuite,
  eventsSuite,
  startSuite,
  loginSuite,
  memorySuite,
  embeddedSuite,
  memoryHourSuite,
  productGrowthSuite,
  orderGrowthSuite,
];
