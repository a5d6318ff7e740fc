import { LOOP_STUCK_MS, PROGRESS_LOOK_MS } from './limits.ts';

/** A part of the process that gets something done again and again. */
export interface Turning {
  /** For people, and for whoever may ask on the public port. */
  readonly name: string;
  /** A number that rises with whatever it gets done; undefined while it has nothing to do. */
  turns(): number | undefined;
}

/** Tells which parts of the process stand still. */
export interface ProgressWatch {
  readonly states: Readonly<Record<string, 'turning' | 'stuck'>>;
  readonly stuck: readonly string[];
  start(): void;
  stop(): void;
}

interface Observed {
  readonly part: Turning;
  turns: number | undefined;
  /** Looks in a row at which nothing had been done. */
  still: number;
}

/**
 * Looks at each part every PROGRESS_LOOK_MS; one that got nothing done for `stuckMs` is stuck, until it turns again. It
 * counts its own looks and not the time: in a process that was stopped, or on a machine too busy to run it, no part
 * could have turned meanwhile.
 */
export function createProgressWatch(parts: readonly Turning[], stuckMs = LOOP_STUCK_MS): ProgressWatch {
  const everyMs = Math.min(PROGRESS_LOOK_MS, stuckMs / 2);
  const observed = parts.map((part): Observed => ({ part, turns: undefined, still: 0 }));
  let looking: NodeJS.Timeout | undefined;

  function look(): void {
    for (const each of observed) {
      const turns = each.part.turns();
      each.still = turns === undefined || turns !== each.turns ? 0 : each.still + 1;
      each.turns = turns;
    }
  }

  const isStuck = ({ still }: Observed) => still * everyMs >= stuckMs;
  return {
    get states() {
      return Object.fromEntries(
        observed.map((each) => [each.part.name, isStuck(each) ? ('stuck' as const) : ('turning' as const)]),
      );
    },
    get stuck() {
      return observed.filter(isStuck).map(({ part }) => part.name);
    },
    start() {
      looking = setInterval(look, everyMs);
      looking.unref();
    },
    stop() {
      clearInterval(looking);
    },
  };
}
