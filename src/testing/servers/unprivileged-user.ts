import { execFile } from 'node:child_process';
import { chown } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A user of the system, by number. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Whom a server runs as that refuses root: `postgres`, or `nobody` where that user is not there. Undefined when this
 * process is not root, since it then runs its children as itself.
 */
export async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([id('-u', name), id('-g', name)]);
      return { uid, gid };
    } catch {
      // There is no such user here.
    }
  }
  throw new Error(
    'Postgres refuses root, and neither a user postgres nor a user nobody is here to run it as',
  );
}

/** Gives a file or folder to the user; without one it stays as it is. */
export async function giveTo(user: User | undefined, path: string): Promise<void> {
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

async function id(kind: '-u' | '-g', name: string): Promise<number> {
  const { stdout } = await promisify(execFile)('id', [kind, name]);
  return Number(stdout);
}
