import type { OrderResult, ReplayResult } from './replay-trade.ts';
import { formatCount, formatMoney } from './terminal.ts';

/** Faults shown one by one; whoever has more of them has seen enough. */
const FAULTS_SHOWN = 20;

/** What a replay came to, as lines for people. `ownMemory`: the shop ran in this process. */
export function reportReplay(result: ReplayResult, currency: string, ownMemory: boolean): string[] {
  const { orders, customers, registrationMs, tradeMs } = result;
  const good = orders.filter((order) => order.fault === undefined);
  const bad = orders.filter((order) => order.fault !== undefined);
  const sum = (member: (order: OrderResult) => number) =>
    good.reduce((total, order) => total + member(order), 0);
  const latencies = orders.flatMap((order) => order.latencyMs ?? []).sort((a, b) => a - b);
  const figures: (readonly [string, string])[] = [
    ['orders', `${formatCount(good.length)} paid, every total right; ${formatCount(bad.length)} failed`],
    [
      'replayed',
      `${formatCount(good.filter((order) => order.replayed).length)} were placed by an earlier run`,
    ],
    ['lines', formatCount(sum((order) => order.lines))],
    [
      'money',
      formatMoney(
        sum((order) => order.totalMinor),
        currency,
      ),
    ],
    ['customers', `${formatCount(customers)} signed in, in ${(registrationMs / 1000).toFixed(1)} s`],
    [
      'rate',
      `${((orders.length / tradeMs) * 1000).toFixed(1)} orders/s over ${(tradeMs / 1000).toFixed(1)} s`,
    ],
    [
      'latency',
      [0.5, 0.95, 0.99, 1]
        .map((share) => `${nameOf(share)} ${percentile(latencies, share).toFixed(0)} ms`)
        .join(', '),
    ],
  ];
  if (ownMemory) {
    const peakMiB = process.resourceUsage().maxRSS / 1024;
    figures.push(['memory', `${formatCount(peakMiB)} MiB at most, shop and replay in one process`]);
  }
  const faults = bad.slice(0, FAULTS_SHOWN).map((order) => `order ${order.invoice}: ${order.fault}`);
  if (bad.length > FAULTS_SHOWN) faults.push(`and ${formatCount(bad.length - FAULTS_SHOWN)} more`);
  return [...faults, ...figures.map(([name, figure]) => `${name.padEnd(10)} ${figure}`)];
}

/** The smallest value that `share` of the sorted values do not exceed (nearest rank); 0 of none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

function nameOf(share: number): string {
  return share === 1 ? 'max' : `p${share * 100}`;
}
