import { formatCount, formatTable, type Terminal, terminal } from '../src/commands/terminal.ts';
import type { Fault, FaultResult } from './fault.ts';

/** What became of one fault; `broken` when the suite itself could not run it. */
export interface Row {
  readonly fault: Pick<Fault, 'number' | 'name'>;
  readonly seconds: number;
  readonly result: FaultResult | { readonly broken: string };
}

export function hasPassed({ result }: Row): boolean {
  return (
    !('broken' in result) && result.problems.length === 0 && result.lost === 0 && result.duplicated === 0
  );
}

/** The table of all faults. */
export function formatRows(rows: readonly Row[]): string {
  const heads = [
    'fault',
    'injected',
    'load',
    'acknowledged',
    'lost',
    'duplicated',
    'worst stall',
    'took',
    'verdict',
  ];
  const lines = rows.map((row) => {
    const { fault, seconds, result } = row;
    const name = `${fault.number} ${fault.name}`;
    const took = `${Math.round(seconds)} s`;
    if ('broken' in result) return [name, '', '', '', '', '', '', took, 'not run'];
    return [
      name,
      formatCount(result.injected),
      result.load,
      formatCount(result.acknowledged),
      formatCount(result.lost),
      formatCount(result.duplicated),
      `${(result.worstStallMs / 1_000).toFixed(1)} s`,
      took,
      hasPassed(row) ? 'passed' : 'FAILED',
    ];
  });
  return formatTable(heads, lines);
}

/** A line that is written over on a terminal; elsewhere a line now and then. */
export function createStatus(label: string, stream: Terminal['err'] = terminal.err) {
  let written = Number.NEGATIVE_INFINITY;
  const startedMs = performance.now();
  return {
    say(text: string) {
      const line = `${label}: ${Math.round((performance.now() - startedMs) / 1_000)} s, ${text}`;
      if (stream.isTTY) {
        // To the line's start, and clear what a longer text left behind.
        stream.write(`\r${line.slice(0, (stream.columns ?? 120) - 1)}\u001b[K`);
      } else if (performance.now() - written > PLAIN_MS) {
        written = performance.now();
        stream.write(`${line}\n`);
      }
    },
    end(text: string) {
      stream.write(`${stream.isTTY ? '\r\u001b[K' : ''}${label}: ${text}\n`);
    },
  };
}

const PLAIN_MS = 10_000;
