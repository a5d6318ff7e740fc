import type { PGlite } from '@electric-sql/pglite';

/** What runs Postgres within PGlite; part of its inside, so the version is pinned. */
interface Inside {
  readonly POSTGRES_MAIN_LONGJMP: number;
  readonly mod: {
    _PostgresMainLoopOnce(): void;
    /** Bytes of a message that Postgres has taken in and not worked on. */
    _pq_buffer_remaining_data(): number;
  };
}

/**
 * Has PGlite stop where Postgres gave up, and returns what tells so: undefined while it runs. PGlite takes an abort for
 * an error of a statement and goes on with what is left of the message, in a Postgres that holds its locks for ever: it
 * never comes back, and with it the whole process.
 */
export function stopAtAbort(client: PGlite): () => Error | undefined {
  const { mod, POSTGRES_MAIN_LONGJMP } = client as unknown as Inside;
  const runOnce = mod._PostgresMainLoopOnce;
  const remaining = mod._pq_buffer_remaining_data;
  let abort: Error | undefined;
  mod._PostgresMainLoopOnce = () => {
    try {
      runOnce();
    } catch (error) {
      // The way by which Postgres leaves a statement that failed.
      const isOrdinary = (error as { status?: unknown }).status === POSTGRES_MAIN_LONGJMP;
      if (!isOrdinary) abort ??= new Error('the embedded database gave up', { cause: error });
      throw error;
    }
  };
  mod._pq_buffer_remaining_data = () => (abort === undefined ? remaining() : 0);
  return () => abort;
}
