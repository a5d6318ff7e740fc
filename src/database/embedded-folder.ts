import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../errors.ts';

/** Where `banyan restore` keeps what it has not put in place yet, within the folder. */
export const RESTORING = 'restoring';

/** Throws `restore_unfinished` (unavailable) where a restore was cut off before it put a database in place. */
export function refuseUnfinished(folder: string): void {
  if (existsSync(join(folder, 'postgres')) || !existsSync(join(folder, RESTORING))) return;
  throw new AppError(
    'unavailable',
    'restore_unfinished',
    `a restore into ${folder} was cut off: make it again, and a shop that was there is in a folder \`replaced-...\``,
  );
}

/** Takes the folder for this process, and throws `database_locked` (unavailable) when another one has it. */
export function lockFolder(folder: string): DatabaseSync {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(join(folder, 'lock.sqlite'));
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    throw new AppError('unavailable', 'database_locked', `${folder} is in use by another process`, {
      cause: error,
    });
  }
}
