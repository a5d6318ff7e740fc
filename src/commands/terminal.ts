/** What a command writes to. Lines of results go to `out`; progress and errors go to `err`. */
export interface Terminal {
  readonly out: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

export const terminal: Terminal = { out: process.stdout, err: process.stderr };

export function print(line = ''): void {
  terminal.out.write(`${line}\n`);
}

export function printError(line: string): void {
  terminal.err.write(`${line}\n`);
}

/**
 * Lets the program go on when whoever read its output has gone, as `head` does, or `tee` at a ctrl-C that is for both:
 * what is left to print is for nobody, and the processes that `banyan up` runs still have to be stopped in their order.
 */
export function outliveReaders(): void {
  for (const stream of [terminal.out, terminal.err]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

/** Columns as wide as their widest cell, two spaces apart, the heads above. */
export function formatTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [heads, ...rows].map(line).join('\n');
}

/** `1234567` → `1,234,567`, in every locale alike, so that scripts may read it. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** Minor units in the currency's own decimals: `GBP 789,070.78`. */
export function formatMoney(amountMinor: number, currency: string): string {
  const style = new Intl.NumberFormat('en-US', { style: 'currency', currency });
  const digits = style.resolvedOptions().maximumFractionDigits ?? 2;
  const text = (amountMinor / 10 ** digits).toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${currency} ${text}`;
}
