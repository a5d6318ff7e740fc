import { Mutex, type PGlite, protocol } from '@electric-sql/pglite';
import { EMBEDDED_STATEMENTS } from '../limits.ts';
import { parsers, type RunStatement, type StatementOptions, toText } from './statement.ts';

/** The embedded database's only session. Whoever uses it holds its turn: see `exclusively`. */
export interface EmbeddedSession {
  readonly query: RunStatement;
  /** Runs `work` while nobody else uses the session; turns come in the order of asking. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
}

interface Prepared {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly parse: (text: string) => unknown }[];
}

interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
}

interface DataRow {
  readonly fields: readonly (string | null)[];
}

const asText = (text: string) => text;
const { serialize } = protocol;

/**
 * Sends statements over Postgres's own protocol, each prepared once and then bound and executed in one message.
 * PGlite's `query` parses and describes every statement anew in five messages; this takes about a third of the
 * time, which is most of an order's.
 */
export function createEmbeddedSession(client: PGlite): EmbeddedSession {
  const turns = new Mutex();
  /** By text, the least recently used first. */
  const statements = new Map<string, Prepared>();
  let made = 0;

  async function send(...messages: Uint8Array[]) {
    const bytes = new Uint8Array(Buffer.concat([...messages, serialize.sync()]));
    const { messages: answers } = await client.execProtocol(bytes, { syncToFs: false });
    return answers;
  }

  async function prepare(text: string): Promise<Prepared> {
    made += 1;
    const name = `s${made}`;
    const answers = await send(serialize.parse({ name, text }), serialize.describe({ type: 'S', name }));
    const description = answers.find((answer) => answer.name === 'rowDescription') as
      | RowDescription
      | undefined;
    const columns = (description?.fields ?? []).map((field) => ({
      name: field.name,
      parse: parsers[field.dataTypeID] ?? asText,
    }));
    const prepared = { name, columns };
    statements.set(text, prepared);
    if (statements.size > EMBEDDED_STATEMENTS) await forgetOldest();
    return prepared;
  }

  async function forgetOldest(): Promise<void> {
    const [oldest] = statements;
    if (!oldest) return;
    const [text, { name }] = oldest;
    statements.delete(text);
    await send(serialize.close({ type: 'S', name }));
  }

  return {
    async query<Row>(text: string, params: readonly unknown[] = [], options: StatementOptions = {}) {
      const known = statements.get(text);
      if (known) {
        // Moved to the end, so that the first is the one not used for longest.
        statements.delete(text);
        statements.set(text, known);
      }
      const { name, columns } = known ?? (await prepare(text));
      const values = params.map(toText);
      const answers = await send(serialize.bind({ statement: name, values }), serialize.execute({}));
      const rows: unknown[] = [];
      let affectedRows = 0;
      let command = '';
      for (const answer of answers) {
        if (answer.name === 'dataRow') {
          const fields = (answer as unknown as DataRow).fields;
          const list = columns.map(({ parse }, index) => {
            const field = fields[index];
            return field === null || field === undefined ? null : parse(field);
          });
          rows.push(
            options.rowMode === 'array'
              ? list
              : Object.fromEntries(columns.map((column, index) => [column.name, list[index]])),
          );
        } else if (answer.name === 'commandComplete') {
          const words = (answer as unknown as { text: string }).text.split(' ');
          command = words[0] ?? '';
          affectedRows = Number(words.at(-1)) || 0;
        }
      }
      return { rows: rows as Row[], affectedRows, command };
    },
    exclusively: (work) => turns.runExclusive(work),
  };
}
