import { Mutex, type PGlite, protocol } from '@electric-sql/pglite';
import { EMBEDDED_REOPEN_MS, EMBEDDED_STATEMENTS } from '../limits.ts';
import { stopAtAbort } from './embedded-abort.ts';
import { databaseUnavailable, postgresFailure } from './postgres-errors.ts';
import { parsers, type RunStatement, type StatementOptions, toText } from './statement.ts';

/** The embedded database's only session. Whoever uses it holds its turn: see `exclusively`. */
export interface EmbeddedSession {
  readonly query: RunStatement;
  /** Runs a script of statements. */
  exec(script: string): Promise<void>;
  /** What PGlite offers beside statements; within a turn, as statements are. */
  client(): PGlite;
  /**
   * Runs `work` while nobody else uses the session; turns come in the order of asking. After a panic the database is
   * opened anew first, and when that fails `work` is not run: `database_unavailable`.
   */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** After the turns that were asked for. Leaves a database that has panicked as it is: its log is all it needs. */
  close(): Promise<void>;
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
 *
 * Where Postgres panics, as it does when a full disk keeps it from a checkpoint or from its log, a server is started
 * anew and takes up from its log what was committed. Here nothing is sent to it any more: what is left of the turn is
 * refused, as on a connection that was lost, and a later turn opens the folder again by `reopen`. In memory there is
 * nothing to open.
 */
export function createEmbeddedSession(first: PGlite, reopen?: () => Promise<PGlite>): EmbeddedSession {
  const turns = new Mutex();
  /** By text, the least recently used first. */
  const statements = new Map<string, Prepared>();
  let made = 0;
  let client = first;
  let abortOf = stopAtAbort(first);
  let panic: unknown;
  let reopenAt = 0;
  let last: Promise<unknown> = Promise.resolve();

  async function send(...messages: Uint8Array[]) {
    if (panic !== undefined) throw databaseUnavailable(panic);
    try {
      const bytes = new Uint8Array(Buffer.concat(messages));
      const { messages: answers } = await client.execProtocol(bytes, { syncToFs: false });
      const abort = abortOf();
      if (abort !== undefined) throw abort;
      return answers;
    } catch (error) {
      if (abortOf() === undefined) throw postgresFailure(error);
      panic = error;
      throw databaseUnavailable(panic);
    }
  }

  async function recover(): Promise<void> {
    if (reopen === undefined || performance.now() < reopenAt) throw databaseUnavailable(panic);
    // What it did with a disk that is still full it would do again, and each time takes the memory of a new database.
    reopenAt = performance.now() + EMBEDDED_REOPEN_MS;
    client = await reopen();
    abortOf = stopAtAbort(client);
    statements.clear();
    panic = undefined;
  }

  async function prepare(text: string): Promise<Prepared> {
    made += 1;
    const name = `s${made}`;
    const answers = await send(
      serialize.parse({ name, text }),
      serialize.describe({ type: 'S', name }),
      serialize.sync(),
    );
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
    await send(serialize.close({ type: 'S', name }), serialize.sync());
  }

  /** Statements that are sent together run one after another, as on a connection. */
  function inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  }

  async function runStatement<Row>(text: string, params: readonly unknown[], options: StatementOptions) {
    const known = statements.get(text);
    if (known) {
      // Moved to the end, so that the first is the one not used for longest.
      statements.delete(text);
      statements.set(text, known);
    }
    const { name, columns } = known ?? (await prepare(text));
    const values = params.map(toText);
    const messages = [serialize.bind({ statement: name, values }), serialize.execute({}), serialize.sync()];
    const answers = await send(...messages);
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
  }

  return {
    query: (text, params = [], options = {}) => inOrder(() => runStatement(text, params, options)),
    exec: (script) =>
      inOrder(async () => {
        await send(serialize.query(script));
      }),
    client: () => client,
    exclusively: (work) =>
      turns.runExclusive(async () => {
        if (panic !== undefined) await recover();
        return await work();
      }),
    close: () =>
      turns.runExclusive(async () => {
        if (panic === undefined) await client.close();
      }),
  };
}
