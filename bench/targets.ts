import { formatNumber } from './report.ts';
import type { Figure } from './suite.ts';

/** What one number of a figure is to be. */
export interface Target {
  /** Whether the figure itself or its ratio to its limit is meant. */
  readonly of: 'value' | 'ratio';
  readonly compare: 'at least' | 'at most';
  readonly bound: number;
  /** What would be better still, for people. */
  readonly aim?: string;
  /** One that is not `must` may be missed, if what was tried is written down. */
  readonly must: boolean;
}

const atLeast = (of: Target['of'], bound: number, must = false, aim?: string): Target => {
  return { of, compare: 'at least', bound, must, aim };
};
const atMost = (of: Target['of'], bound: number, must = false): Target => {
  return { of, compare: 'at most', bound, must };
};
const MUST = true;

/** By the figure's name; all of a list have to be met. Values are in the figure's own unit. */
export const targets: Readonly<Record<string, readonly Target[]>> = {
  'read.hot': [atLeast('ratio', 0.5)],
  'read.cold': [atLeast('ratio', 0.6, MUST)],
  'list.deep': [atLeast('ratio', 0.9, MUST), atLeast('value', 1_500, MUST)],
  'order.c32': [atLeast('ratio', 0.3, MUST, '0.4 and 500/s')],
  'order.p99': [atMost('ratio', 8)],
  'hot.orders': [atLeast('ratio', 0.9, MUST)],
  'hot.reservations': [atLeast('value', 5_000, MUST)],
  'big.1000': [atMost('ratio', 20, MUST)],
  'embedded.order': [atLeast('value', 200)],
  'events.p50': [atMost('value', 10, MUST)],
  'events.p99': [atMost('value', 100, MUST)],
  'split.p50': [atMost('ratio', 2.5, MUST)],
  'split.c32': [atLeast('ratio', 0.4)],
  'start.postgres': [atMost('value', 1, MUST)],
  'start.embedded': [atMost('value', 2, MUST)],
  memory: [atMost('value', 220, MUST)],
};

/** A figure as it is reported. */
export interface JudgedFigure extends Figure {
  /** As `ratio ≥ 0.3 !`, with `!` behind those that must be met. Undefined where nothing was promised. */
  readonly target?: string;
  readonly met?: boolean;
}

/** Holds a figure against its targets. A ratio that could not be measured meets nothing, and misses nothing. */
export function judge(figure: Figure, table = targets): JudgedFigure {
  const wanted = table[figure.name];
  if (wanted === undefined) return figure;
  const verdicts = wanted.map((target) => meets(figure, target));
  const target = wanted.map(describe).join(', ');
  if (verdicts.includes(undefined)) return { ...figure, target };
  return { ...figure, target, met: verdicts.every((verdict) => verdict === true) };
}

/** Whether a target that must be met was missed. */
export function missesMust(figure: JudgedFigure, table = targets): boolean {
  return figure.met === false && table[figure.name]!.some((each) => each.must && !meets(figure, each));
}

function meets(figure: Figure, { of, compare, bound }: Target): boolean | undefined {
  const number = figure[of];
  if (number === undefined) return undefined;
  return compare === 'at least' ? number >= bound : number <= bound;
}

function describe({ of, compare, bound, must, aim }: Target): string {
  const sign = compare === 'at least' ? '≥' : '≤';
  return `${of === 'ratio' ? 'ratio ' : ''}${sign} ${formatNumber(bound)}${must ? ' !' : ''}${aim ? `, aim ${aim}` : ''}`;
}
