import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sea from 'node:sea';
import { invariant } from './errors.ts';

/** Every file that the program reads at run time, so that a build takes all of them along. Folders end in a slash. */
export const assets: readonly string[] = [
  'package.json',
  'drizzle/',
  'deploy/demo/',
  'deploy/placements/',
  'pglite/initdb.wasm',
  'pglite/pglite.data',
  'pglite/pglite.wasm',
  'swagger-ui/favicon-32x32.png',
  'swagger-ui/swagger-ui-bundle.js',
  'swagger-ui/swagger-ui.css',
];

/** Where the files of packages lie before a build has put them beside ours. */
const packageFolders: Readonly<Record<string, string>> = {
  pglite: 'node_modules/@electric-sql/pglite/dist',
  'swagger-ui': 'node_modules/swagger-ui-dist',
};

/** Of the project, or of a built server, whose code lies one folder deep as well. */
const root = join(import.meta.dirname, '..');
const isSource = import.meta.filename.endsWith('.ts');

/** Whether this program is an executable of one file, as `npm run build:binary` makes it. */
export const isExecutable = sea.isSea();

/**
 * The content of one of `assets`, from the project's folder, a built server's, or out of the executable. In the last
 * case it is a part of the program's memory, and never to be written to. Throws when there is no such file.
 */
export function readAsset(path: string): Buffer<ArrayBuffer> {
  return isExecutable ? Buffer.from(sea.getRawAsset(path)) : readFileSync(assetFile(path));
}

/** The names of the files in a folder of `assets`, sorted. */
export function listAssets(folder: string): string[] {
  if (!isExecutable) return readdirSync(assetFile(folder)).sort();
  const paths = sea.getAssetKeys().filter((path) => path.startsWith(`${folder}/`));
  return paths.map((path) => path.slice(folder.length + 1)).sort();
}

/** Where one of `assets` lies on the disk, as long as it is not in an executable. */
export function assetFile(path: string): string {
  invariant(
    assets.some((asset) => asset === path || (asset.endsWith('/') && `${path}/`.startsWith(asset))),
    `${path} is one of the assets`,
  );
  const [first = '', ...rest] = path.split('/');
  return join(root, (isSource ? packageFolders[first] : undefined) ?? first, ...rest);
}
