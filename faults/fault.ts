/** One kind of fault, injected while a shop trades. */
export interface Fault {
  /** As the table of faults in docs/reliability.md counts them. */
  readonly number: number;
  /** As its file is named, without the number. */
  readonly name: string;
  /** Whether it can be injected with the shop in any placement. */
  readonly anyPlacement?: true;
  /** Injects it and judges what the shop made of it. Rejects only where the suite itself is broken. */
  run(context: FaultContext): Promise<FaultResult>;
}

export interface FaultContext {
  /** At least 5 injections and 500 orders, for CI; else the full figures. */
  readonly short: boolean;
  readonly seed: number;
  /** A placement in deploy/placements; processes with all modules each unless given. */
  readonly placement?: string;
  /** Decides moments and victims; the same seed makes the same plan. */
  readonly random: () => number;
  /** Holds logs and files of the shop; it is kept when the fault fails. */
  readonly folder: string;
  /** Says how far the fault is. */
  readonly say: (progress: string) => void;
}

export interface FaultResult {
  /** How often the fault was injected. */
  readonly injected: number;
  /** What went on meanwhile, in a few words, as `1,204 orders by 8 lanes`. */
  readonly load: string;
  /** Orders that clients know the outcome of. */
  readonly acknowledged: number;
  /** Acknowledged work that is not there, or not as it was acknowledged. */
  readonly lost: number;
  /** Work whose effect is there twice. */
  readonly duplicated: number;
  /** The longest time in which no order was acknowledged. */
  readonly worstStallMs: number;
  /** What broke a promise, a sentence each; none: passed. */
  readonly problems: readonly string[];
  /** Figures worth keeping, a sentence each. */
  readonly notes: readonly string[];
}

/** A whole number from `from` to `to`, both included. */
export function pickNumber(random: () => number, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1));
}

/** One of them. */
export function pick<Item>(random: () => number, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('there is nothing to pick from');
  return item;
}
