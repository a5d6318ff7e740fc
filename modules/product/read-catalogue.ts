import { pipeline, Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { type CsvError, type Info, type Parser, parse } from 'csv-parse';
import { invalidRequest } from '#platform/http/problem';
import { headerProblem, readEntry } from './catalogue-row.ts';
import type { StagedRow } from './import-store.ts';
import { ROW_LENGTH } from './limits.ts';

interface Parsed {
  readonly record: string[];
  readonly info: Info;
}

/** What the parser could not make a record of. */
interface Skips {
  /** In file order; `after` is the number of records before it. */
  readonly rows: { readonly after: number; readonly line: number; readonly error: string }[];
  /** Number of records before a row that is too long; past that row the parser has lost its way. */
  cutAfter: number;
}

/**
 * Reads a catalogue file as it arrives: the header at once, rows as the caller asks for them, so that memory does
 * not grow with the file. A header that will not do is `invalid_request`; a row that will not do is yielded with
 * its error. Rejects as the stream does when that breaks off.
 */
export async function openCatalogue(stream: ReadableStream<Uint8Array>): Promise<AsyncGenerator<StagedRow>> {
  const skips: Skips = { rows: [], cutAfter: Number.POSITIVE_INFINITY };
  const parser = createParser(skips);
  // Iterating the parser tells of every failure; the callback only keeps pipeline from throwing.
  pipeline(Readable.fromWeb(stream as WebStream<Uint8Array>), parser, () => {});
  const records: AsyncIterator<Parsed> = parser[Symbol.asyncIterator]();
  const first = await records.next();
  const header = first.done ? [] : first.value.record.map((name) => name.trim());
  const problem = headerProblem(header);
  if (problem !== undefined) {
    await records.return?.();
    throw invalidRequest([{ path: '', message: problem }]);
  }
  return readRows(header, records, skips);
}

function createParser(skips: Skips): Parser {
  return parse({
    bom: true,
    info: true,
    max_record_size: ROW_LENGTH,
    relax_column_count: true,
    skip_empty_lines: true,
    // A broken quote spoils its row, not the file.
    skip_records_with_error: true,
    on_skip(error: CsvError | undefined) {
      const after = Number(error?.records);
      const line = Number(error?.lines);
      const last = skips.rows.at(-1);
      if (after >= skips.cutAfter || (last?.after === after && last.line === line)) return;
      if (error?.code === 'CSV_MAX_RECORD_SIZE') skips.cutAfter = after;
      skips.rows.push({ after, line, error: explain(error) });
    },
  });
}

async function* readRows(
  header: readonly string[],
  records: AsyncIterator<Parsed>,
  skips: Skips,
): AsyncGenerator<StagedRow> {
  const lineOf = createLineCounter();
  try {
    for (let next = await records.next(); !next.done; next = await records.next()) {
      const { record, info } = next.value;
      if (info.records > skips.cutAfter) break;
      while (skips.rows[0] && skips.rows[0].after < info.records) yield explained(skips.rows.shift()!);
      yield { line: lineOf(info.lines, record), ...readEntry(header, record) };
    }
    yield* skips.rows.map(explained);
  } finally {
    await records.return?.();
  }
}

function explained({ line, error }: Skips['rows'][number]): StagedRow {
  return { line, error };
}

/**
 * Tells the line on which a record begins. The parser counts up to its end, and counts the CRLF inside a quoted
 * value twice.
 */
function createLineCounter(): (parserLines: number, values: readonly string[]) => number {
  let overcounted = 0;
  return (parserLines, values) => {
    const text = values.join('');
    const counted = text.match(/[\r\n]/g)?.length ?? 0;
    const line = parserLines - overcounted - counted;
    overcounted += text.match(/\r\n/g)?.length ?? 0;
    return line;
  };
}

function explain(error: CsvError | undefined): string {
  switch (error?.code) {
    case 'CSV_MAX_RECORD_SIZE':
      return `is longer than ${ROW_LENGTH} bytes, as when a quote is not closed; the file was read up to here`;
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'opens a quote that is never closed';
    default:
      return 'has a quote in the wrong place';
  }
}
