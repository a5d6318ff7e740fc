import { pipeline, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { type CsvError, type Info, parse } from 'csv-parse';
import { headerProblem, readEntry } from './catalogue-row.ts';
import type { StagedRow } from './import-store.ts';
import { ROW_LENGTH } from './limits.ts';
import { invalidRequest } from './problems.ts';

interface Parsed {
  readonly record: string[];
  readonly info: Info;
}

/**
 * Reads a catalogue file as it arrives: the header at once, rows as the caller asks for them, so that memory does
 * not grow with the file. A header that will not do is `invalid_request`; a row that will not do is yielded with
 * its error. Rejects as the stream does when that breaks off.
 */
export async function openCatalogue(
  stream: globalThis.ReadableStream<Uint8Array>,
): Promise<AsyncGenerator<StagedRow>> {
  const skipped: StagedRow[] = [];
  const parser = parse({
    bom: true,
    info: true,
    max_record_size: ROW_LENGTH,
    relax_column_count: true,
    skip_empty_lines: true,
    // A broken quote spoils its row, not the file.
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      skipped.push({ line: Number(error?.lines ?? 0), error: explain(error) });
    },
  });
  // Iterating the parser tells of every failure; the callback only keeps pipeline from throwing.
  pipeline(Readable.fromWeb(stream as ReadableStream<Uint8Array>), parser, () => {});
  const records: AsyncIterator<Parsed> = parser[Symbol.asyncIterator]();
  const first = await records.next();
  const header = first.done ? [] : first.value.record.map((name) => name.trim());
  const problem = headerProblem(header);
  if (problem !== undefined) {
    parser.destroy();
    throw invalidRequest([{ path: '', message: problem }]);
  }
  return readRows(header, records, skipped);
}

async function* readRows(
  header: readonly string[],
  records: AsyncIterator<Parsed>,
  skipped: StagedRow[],
): AsyncGenerator<StagedRow> {
  try {
    for (let next = await records.next(); !next.done; next = await records.next()) {
      yield* skipped.splice(0);
      const { record, info } = next.value;
      yield { line: firstLine(info.lines, record), ...readEntry(header, record) };
    }
    yield* skipped.splice(0);
  } finally {
    await records.return?.();
  }
}

/** The parser counts lines up to a record's end; quoted values may hold some of them. */
function firstLine(lastLine: number, values: readonly string[]): number {
  const inside = values.reduce((count, value) => count + value.split(/\r\n|\n|\r/).length - 1, 0);
  return lastLine - inside;
}

function explain(error: CsvError | undefined): string {
  switch (error?.code) {
    case 'CSV_MAX_RECORD_SIZE':
      return `is longer than ${ROW_LENGTH} characters; is a quote not closed?`;
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'opens a quote that is never closed';
    default:
      return 'has a quote in the wrong place';
  }
}
