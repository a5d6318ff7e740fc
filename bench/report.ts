import { formatTable } from '../src/commands/terminal.ts';
import type { JudgedFigure } from './targets.ts';

/** What is measured of one machine at one time; what `--json` writes. */
export interface Report {
  readonly machine: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly figures: readonly JudgedFigure[];
}

/** The figures as a table for people. */
export function formatFigures(figures: readonly JudgedFigure[]): string {
  const heads = ['figure', 'median', 'unit', 'spread', 'limit', 'ratio', 'target', 'met', ''];
  const rows = figures.map(({ name, value, unit, spread, limit, ratio, target, met, note }) => [
    name,
    formatNumber(value),
    unit,
    spread === undefined ? '' : `${formatNumber(spread[0])} to ${formatNumber(spread[1])}`,
    limit === undefined ? '' : formatNumber(limit),
    ratio === undefined ? '' : formatNumber(ratio),
    target ?? '',
    target === undefined ? '' : met === undefined ? '?' : met ? 'yes' : 'NO',
    note ?? '',
  ]);
  return formatTable(heads, rows);
}

/** Three digits, or all of those before the point: `12,345`, `12.3`, `0.0123`. */
export function formatNumber(number: number): string {
  const digits = Math.abs(number) >= 100 ? 0 : undefined;
  return number.toLocaleString(
    'en-US',
    digits === undefined ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: digits },
  );
}
