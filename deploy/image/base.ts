import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './run.ts';

/** A stand-in for an image of Node's on Debian: what is in it, by a tarball of its root. */
export interface Base {
  readonly tarball: string;
  /** What the image says besides its files, as instructions of a Dockerfile. */
  readonly changes: readonly string[];
}

const APT_KEEPS_NOTHING = `Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
`;

const project = join(import.meta.dirname, '../..');

/**
 * Makes a bare Debian of this suite with the Node that the lock file pins and npm, laid out as Node's images on
 * Docker Hub are. `folder` keeps it for the next time. Needs root and debootstrap; rejects where either fails.
 */
export async function makeBase(suite: string, folder: string): Promise<Base> {
  const version = process.versions.node;
  // Named after this file as well, so that a change of it is not passed over.
  const recipe = createHash('sha256')
    .update(readFileSync(import.meta.filename))
    .digest('hex')
    .slice(0, 8);
  const tarball = join(folder, `node-${version}-${suite}-${process.arch}-${recipe}.tar`);
  if (!existsSync(tarball)) {
    mkdirSync(folder, { recursive: true });
    const root = join(folder, 'root');
    rmSync(root, { recursive: true, force: true });
    // Node needs the library, so its images have it.
    await run('debootstrap', ['--variant=minbase', '--include=libatomic1', suite, root]);
    await addNode(root);
    // As Debian's images do, so that what apt keeps for a next time gets into no layer.
    writeFileSync(join(root, 'etc/apt/apt.conf.d/docker-clean'), APT_KEEPS_NOTHING);
    await run('chroot', [root, 'apt-get', 'clean']);
    await run('tar', ['--create', '--file', `${tarball}.part`, '--directory', root, '.']);
    rmSync(root, { recursive: true, force: true });
    renameSync(`${tarball}.part`, tarball);
  }
  return { tarball, changes: [`ENV NODE_VERSION=${version}`, 'CMD ["node"]'] };
}

/** What Node's image adds to Debian's: Node and npm below /usr/local, and the user `node`, who is 1000. */
async function addNode(root: string): Promise<void> {
  const local = join(root, 'usr/local');
  cpSync(join(project, `node_modules/node-linux-${process.arch}/bin/node`), join(local, 'bin/node'));
  // This machine's npm, which the lock file was made by.
  const { out } = await run('sh', ['-c', 'readlink -f "$(command -v npm)"']);
  const npm = 'lib/node_modules/npm';
  cpSync(join(dirname(out), '..'), join(local, npm), { recursive: true, verbatimSymlinks: true });
  for (const name of ['npm', 'npx']) symlinkSync(`../${npm}/bin/${name}-cli.js`, join(local, 'bin', name));
  await run('chroot', [root, 'groupadd', '--gid=1000', 'node']);
  await run('chroot', [
    root,
    'useradd',
    '--uid=1000',
    '--gid=1000',
    '--create-home',
    '--shell=/bin/bash',
    'node',
  ]);
}
