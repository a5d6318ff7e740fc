import { formatCount, type Terminal, terminal } from './terminal.ts';

/** A bar on a terminal is drawn this often at most: faster is not seen, and costs. */
const DRAW_MS = 100;
const BAR_CELLS = 28;

export interface Progress {
  /** How many are done of how many; the total may become known, or grow, on the way. */
  update(done: number, total: number): void;
  /** Ends the bar, or writes the last line. */
  finish(): void;
}

/**
 * Shows how far a long piece of work is: a bar with its rate on a terminal, a plain line for every tenth of the
 * way elsewhere. `unit` is what is counted, as `orders`.
 */
export function createProgress(options: {
  label: string;
  unit: string;
  stream?: Terminal['err'];
  nowMs?: () => number;
}): Progress {
  const { label, unit, stream = terminal.err, nowMs = () => performance.now() } = options;
  const startedMs = nowMs();
  let state = { done: 0, total: 0 };
  let drawnMs = Number.NEGATIVE_INFINITY;
  let drawnTenth = -1;
  let drawnDone = -1;

  function figures(): string {
    const seconds = (nowMs() - startedMs) / 1000;
    const rate = seconds > 0 ? `, ${formatCount(state.done / seconds)}/s` : '';
    return `${formatCount(state.done)}/${formatCount(state.total)} ${unit}${rate}`;
  }

  function drawBar(): void {
    const share = state.total === 0 ? 0 : Math.min(1, state.done / state.total);
    const cells = Math.floor(share * BAR_CELLS);
    const bar = '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells);
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    const line = `${label} ${bar}${percent} ${figures()}`.slice(0, (stream.columns ?? 120) - 1);
    // To the line's start, and clear what a longer text left behind.
    stream.write(`\r${line}\u001b[K`);
  }

  function drawLine(): void {
    drawnDone = state.done;
    stream.write(`${label}: ${figures()}\n`);
  }

  return {
    update(done, total) {
      state = { done, total };
      if (stream.isTTY) {
        if (nowMs() - drawnMs < DRAW_MS) return;
        drawnMs = nowMs();
        drawBar();
        return;
      }
      const tenth = total === 0 ? 0 : Math.floor((done / total) * 10);
      if (tenth <= drawnTenth) return;
      drawnTenth = tenth;
      drawLine();
    },
    finish() {
      if (stream.isTTY) {
        drawBar();
        stream.write('\n');
      } else if (drawnDone !== state.done) {
        drawLine();
      }
    },
  };
}
