/** Room for a first run of some seconds; it doubles when that is not enough. */
const ROOM = 2 ** 18;

export interface Latencies {
  readonly count: number;
  add(ms: number): void;
  summary(): { p50Ms: number; p99Ms: number; highestMs: number };
}

/** Keeps numbers without an object for each, so that measuring leaves no garbage. */
export function createLatencies(room = ROOM): Latencies {
  let taken = new Float64Array(room);
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(ms) {
      if (count === taken.length) {
        const larger = new Float64Array(2 * count);
        larger.set(taken);
        taken = larger;
      }
      taken[count] = ms;
      count += 1;
    },
    summary() {
      const sorted = taken.slice(0, count).sort();
      return {
        p50Ms: percentile(sorted, 0.5),
        p99Ms: percentile(sorted, 0.99),
        highestMs: percentile(sorted, 1),
      };
    },
  };
}

/** The smallest that is not less than that share of all; `sorted` is not empty. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
