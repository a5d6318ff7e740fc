import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../..');

/** The release that shops upgrade from; deploy/previous-release.json names it. */
export interface PreviousRelease {
  readonly version: string;
  readonly commit: string;
  /** The files of its migrations by name, as `platform/0001_platform.sql`. */
  migrations(): ReadonlyMap<string, string>;
  /** Its source in a folder of its own, with this tree's packages. */
  checkOut(): { readonly banyan: string; remove(): void };
}

/** Undefined where git does not have it, as in a tarball of the source or a shallow clone. */
export function findPreviousRelease(): PreviousRelease | undefined {
  const { version, commit } = JSON.parse(readFileSync(join(project, 'deploy/previous-release.json'), 'utf8'));
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: project, maxBuffer: 1e9, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    git('cat-file', '-e', `${commit}^{commit}`);
  } catch {
    return undefined;
  }
  return {
    version,
    commit,
    migrations() {
      const names = git('ls-tree', '-r', '--name-only', commit, 'drizzle').toString().trim().split('\n');
      return new Map(
        names.map((name) => [name.slice('drizzle/'.length), git('show', `${commit}:${name}`).toString()]),
      );
    },
    checkOut() {
      const folder = mkdtempSync(join(tmpdir(), 'banyan-previous-'));
      execFileSync('tar', ['--extract', '--directory', folder], { input: git('archive', commit) });
      symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
      return {
        banyan: join(folder, 'bin/banyan'),
        remove: () => rmSync(folder, { recursive: true, force: true }),
      };
    },
  };
}
