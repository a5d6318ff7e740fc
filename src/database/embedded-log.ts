import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { AppError, invariant } from '../errors.ts';
import { EMBEDDED_CHECKPOINT_MS } from '../limits.ts';
import type { Queryable } from './database.ts';
import type { EmbeddedSession } from './embedded-session.ts';
import type { FolderCopy } from './engine.ts';
import { runRows } from './statement.ts';

/** `pg_control` is this long; Postgres keeps what counts within one sector of it. */
const CONTROL_BYTES = 8192;

interface Stopped {
  readonly label: string;
  readonly last: string;
}

/** What the embedded database does with its log, the WAL. */
export interface EmbeddedLog {
  /** See `Engine`. */
  beginCopy(): Promise<FolderCopy>;
  stop(): void;
}

/**
 * Makes checkpoints, which the embedded Postgres never does by itself: without them its log would grow for as long as
 * the process lives, and be replayed whole after a crash. None is made during a copy, since it drops what the copy needs.
 */
export function keepLog(
  session: EmbeddedSession,
  folder: string,
  everyMs = EMBEDDED_CHECKPOINT_MS,
): EmbeddedLog {
  let isCopying = false;
  const rows: Queryable['rows'] = (statement) => runRows(session.query, statement);

  const timer = setInterval(() => {
    void session
      .exclusively(async () => {
        if (!isCopying) await session.query('checkpoint');
      })
      // On a disk that is full it panics, and the database is opened anew; the next one may succeed.
      .catch(() => undefined);
  }, everyMs);
  timer.unref();

  async function stopCopy(): Promise<Stopped> {
    const [stopped] = await rows<Stopped>(
      sql`select labelfile as label, pg_walfile_name(lsn) as last from pg_backup_stop(false)`,
    );
    invariant(stopped, 'the end of a copy is told');
    return stopped;
  }

  return {
    async beginCopy() {
      if (isCopying) throw new AppError('conflict', 'backup_running', 'a backup is being made already');
      isCopying = true;
      // With a checkpoint, at once: what is changed from here on is in the log that the copy takes along.
      const begun = session.exclusively(() => rows(sql`select pg_backup_start('banyan', true)`));
      await begun.catch((error: unknown) => {
        isCopying = false;
        throw error;
      });
      let hasEnded = false;
      return {
        folder,
        end: (look) =>
          session.exclusively(async () => {
            const seen = await look(rows);
            const control = await readControl(folder);
            const { label, last } = await stopCopy();
            hasEnded = true;
            return { seen, label, control, logFiles: logFilesBetween(firstLogFile(label), last) };
          }),
        async release() {
          if (!isCopying) return;
          try {
            if (!hasEnded) await session.exclusively(stopCopy);
          } finally {
            isCopying = false;
          }
        },
      };
    },
    stop: () => clearInterval(timer),
  };
}

async function readControl(folder: string): Promise<Buffer> {
  const file = await open(join(folder, 'global/pg_control'));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(CONTROL_BYTES), 0, CONTROL_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function firstLogFile(label: string): string {
  const [, name] = /^START WAL LOCATION: .* \(file ([0-9A-F]{24})\)$/m.exec(label) ?? [];
  invariant(name, 'a copy tells where its log begins');
  return name;
}

/** All files of 16 MiB from the first to the last: timeline, and a number in two parts of which the second has 256 values. */
export function logFilesBetween(first: string, last: string): string[] {
  const timeline = first.slice(0, 8);
  const numberOf = (name: string) =>
    Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16);
  const names: string[] = [];
  for (let number = numberOf(first); number <= numberOf(last); number += 1) {
    const hex = (part: number) => part.toString(16).toUpperCase().padStart(8, '0');
    names.push(`${timeline}${hex(Math.floor(number / 256))}${hex(number % 256)}`);
  }
  return names;
}
