import { sleep } from '../src/deadline.ts';
import { refuseCommits } from './failpoints.ts';
import { type Fault, pickNumber } from './fault.ts';
import { percentiles } from './load.ts';
import { underLoad } from './under-load.ts';

/** 99 of 100 requests are answered within this while Redis hangs. */
const P99_MS = 2_000;
const FAILING_SHARE = 0.05;

/** Redis keeps its connections and answers nothing, which costs a careless client its whole timeout each time. */
export const fault: Fault = {
  number: 5,
  name: 'stall-redis',
  run(context) {
    const { short, random, seed } = context;
    const stalls = short ? 5 : 3;
    const forMs = short ? 4_000 : 30_000;
    return underLoad(context, {
      cluster: {
        env: ({ role, start }) => (role === 'worker' ? refuseCommits(FAILING_SHARE, seed + start) : {}),
      },
      load: { ordersPerSecond: short ? 30 : 20, plain: true },
      async inject({ cluster, load }, say) {
        const durations: number[] = [];
        for (let stall = 1; stall <= stalls; stall += 1) {
          await sleep(pickNumber(random, 1_000, short ? 2_000 : 3_000));
          say(`stall ${stall} of ${stalls}`);
          const before = load.attempts.length;
          await cluster.redis.kill('SIGSTOP');
          await sleep(forMs);
          await cluster.redis.kill('SIGCONT');
          durations.push(...load.attempts.slice(before).map((attempt) => attempt.durationMs));
        }
        const { p50, p99, max } = percentiles(durations);
        const figures = `p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms, at most ${Math.round(max)} ms`;
        return {
          injected: stalls,
          problems: p99 < P99_MS ? [] : [`while Redis hung: ${figures} of ${durations.length} requests`],
          notes: [`while Redis hung, ${durations.length} requests: ${figures}`],
        };
      },
    });
  },
};
