/** What a process held at one moment of a run. */
export interface MemorySample {
  /** Orders that were paid by then. */
  readonly orders: number;
  readonly residentMb: number;
}

export interface MemoryTrend {
  /** The most after the first tenth of the orders, in which code is compiled and pools fill. */
  readonly highestMb: number;
  /** From the mean of the first third after that to the mean of the last third, in MB for 10,000 orders. */
  readonly growthMb: number;
}

/** Noise from one collection of garbage to the next is some MB, so thirds are compared and not single samples. */
export function memoryTrend(samples: readonly MemorySample[]): MemoryTrend {
  const total = Math.max(...samples.map(({ orders }) => orders));
  const warm = samples.filter(({ orders }) => orders >= total / 10);
  const third = Math.ceil(warm.length / 3);
  const first = meanOf(warm.slice(0, third));
  const last = meanOf(warm.slice(-third));
  return {
    highestMb: Math.max(...warm.map(({ residentMb }) => residentMb)),
    growthMb: ((last.residentMb - first.residentMb) * 10_000) / (last.orders - first.orders),
  };
}

function meanOf(samples: readonly MemorySample[]): MemorySample {
  const mean = (member: keyof MemorySample) =>
    samples.reduce((sum, sample) => sum + sample[member], 0) / samples.length;
  return { orders: mean('orders'), residentMb: mean('residentMb') };
}
