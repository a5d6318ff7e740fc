import type { Figure } from './suite.ts';

/** The rounds of one number. */
export interface Rounds {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly values: readonly number[];
}

type Numbers = Readonly<Record<string, number>>;
type Sides = Readonly<Record<string, () => Promise<Numbers>>>;
type Measured<S extends Sides> = {
  readonly [Side in keyof S]: { readonly [Name in keyof Awaited<ReturnType<S[Side]>>]: Rounds };
};

/**
 * Runs each side once to warm up, whose numbers are dropped, then all of them in turn for so many rounds: what slows
 * the machine down for a while slows all sides down. A side returns its numbers by name.
 */
export async function inTurn<S extends Sides>(
  sides: S,
  options: { rounds: number; warmUp?: (side: string) => Promise<unknown>; say?: (text: string) => void },
): Promise<Measured<S>> {
  const { rounds, warmUp = (side) => sides[side]!(), say } = options;
  const names = Object.keys(sides);
  const taken: Record<string, Record<string, number[]>> = {};
  for (const name of names) {
    say?.(`${name}, warming up`);
    await warmUp(name);
  }
  for (let round = 1; round <= rounds; round += 1) {
    // Every other round begins at the other end, so that no side always has the same neighbour.
    for (const name of round % 2 === 1 ? names : names.toReversed()) {
      say?.(`${name}, round ${round} of ${rounds}`);
      const numbers = await sides[name]!();
      taken[name] ??= {};
      for (const [key, value] of Object.entries(numbers)) {
        taken[name][key] ??= [];
        taken[name][key].push(value);
      }
    }
  }
  const measured = Object.entries(taken).map(([name, numbers]) => [
    name,
    Object.fromEntries(Object.entries(numbers).map(([key, values]) => [key, roundsOf(values)])),
  ]);
  return Object.fromEntries(measured) as Measured<S>;
}

export function roundsOf(values: readonly number[]): Rounds {
  return {
    median: medianOf(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
    values,
  };
}

/** The middle one, or the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A figure from its rounds, beside those of its limit if it has one. */
export function figure(name: string, unit: string, rounds: Rounds, limit?: Rounds, note?: string): Figure {
  return {
    name,
    value: rounds.median,
    unit,
    spread: [rounds.lowest, rounds.highest],
    ...(limit && { limit: limit.median, ratio: rounds.median / limit.median }),
    ...(note !== undefined && { note }),
  };
}
