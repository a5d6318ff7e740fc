import { AppError } from '../errors.ts';
import { isRecording, span } from '../telemetry/trace.ts';
import type { RunStatement } from './statement.ts';

/** A statement's own length is bounded by our code; one that is generated from a long list is cut off here. */
const QUERY_TEXT_LENGTH = 2_000;
/** As many tables of one statement as make its name; more would not be read. */
const SUMMARY_PARTS = 4;

/**
 * Each statement on a module's schema as a span of the trace under way, on every engine alike. Its text has
 * placeholders where values were: parameters never reach a trace.
 */
export function traced(schema: string, run: RunStatement): RunStatement {
  return (text, params, options) => {
    if (!isRecording()) return run(text, params, options);
    const { summary, operation, table } = summarize(text);
    const attributes = {
      'db.system.name': 'postgresql',
      'db.namespace': schema,
      'db.operation.name': operation,
      'db.collection.name': table,
      'db.query.summary': summary,
      'db.query.text': text.trim().slice(0, QUERY_TEXT_LENGTH),
    };
    return span(summary, { kind: 'client', attributes, isAnswer: isConstraint }, async (query) => {
      try {
        return await run(text, params, options);
      } catch (error) {
        const code = sqlStateOf(error);
        if (code !== undefined) query.set({ 'db.response.status_code': code });
        throw error;
      }
    });
  };
}

/** A transaction on a module's schema: its statements, and what it waits for before and after them. */
export function tracedTransaction<T>(schema: string, transact: () => Promise<T>): Promise<T> {
  if (!isRecording()) return transact();
  const attributes = { 'db.system.name': 'postgresql', 'db.namespace': schema };
  return span(`TRANSACTION ${schema}`, { attributes, isAnswer: isConstraint }, transact);
}

/** A constraint that held, as of a name that is taken, is what the statement was to find out. */
function isConstraint(error: unknown): boolean {
  return sqlStateOf(error)?.startsWith('23') === true;
}

/** What a statement does to which tables, in a few words that do not vary with its values. */
export function summarize(text: string): { summary: string; operation: string; table: string | undefined } {
  const parts = [...text.matchAll(WRITES)].map(([, verb = '', table]) => ({
    operation: verb.split(/\s/, 1)[0]!.toUpperCase(),
    table: plain(table),
  }));
  if (parts.length === 0) {
    const read = READS.exec(text)?.[1];
    const verb = /^\s*(?:with\b|select\b)/i.test(text) ? 'SELECT' : (/[a-z]+/i.exec(text)?.[0] ?? 'QUERY');
    parts.push({ operation: verb.toUpperCase(), table: plain(read) });
  }
  const words = parts
    .slice(0, SUMMARY_PARTS)
    .map(({ operation, table }) => [operation, table].filter(Boolean));
  return { summary: words.flat().join(' '), operation: parts[0]!.operation, table: parts[0]!.table };
}

/** A table with its schema, as all our statements have it. Anything else is a name within the statement, or a lock's. */
const NAME = String.raw`((?:"\w+"|\w+)\.(?:"\w+"|\w+))`;
const WRITES = new RegExp(String.raw`\b(insert\s+into|delete\s+from|update)\s+${NAME}`, 'gi');
const READS = new RegExp(String.raw`\bfrom\s+${NAME}(?![\w"]|\s*\()`, 'i');

function plain(name: string | undefined): string | undefined {
  return name?.replaceAll('"', '');
}

/** Postgres's own code of a failure, also where ours wraps it. */
function sqlStateOf(error: unknown): string | undefined {
  const { code } = ((error instanceof AppError ? error.cause : error) ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
