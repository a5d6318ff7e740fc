import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { assetFile, assets } from '../src/assets.ts';

/** The project's folder. */
export const project = join(import.meta.dirname, '..');
/** Where builds go: the folder that the command names, else dist/, of which git knows nothing. */
export const dist = resolve(process.argv[2] ?? join(project, 'dist'));

/** Packages in CommonJS expect these three, and an ES module has none of them. */
const COMMONJS_GLOBALS = `import { createRequire as bundleRequire } from 'node:module';
const require = bundleRequire(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

/**
 * Puts the program and its packages together, as ES modules for Node 24 and later. Names stay as they are written, so
 * that a stack trace says where it comes from. Resolves with what went in.
 */
export async function bundle(
  output: Pick<BuildOptions, 'outfile' | 'outdir' | 'splitting'>,
): Promise<Metafile> {
  const result = await build({
    ...output,
    entryPoints: [join(project, 'src/main.ts')],
    absWorkingDir: project,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: COMMONJS_GLOBALS },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  const outputs = Object.keys(result.metafile.outputs).map((path) => join(project, path));
  await Promise.all(outputs.map(keepToAscii));
  return result.metafile;
}

/**
 * One typographic apostrophe, and V8 keeps the whole source in two bytes a letter: 6 MB more for each process. The
 * bundler has escaped what is code; comments of packages are left, and they lose such letters.
 */
async function keepToAscii(file: string): Promise<void> {
  const source = await readFile(file, 'latin1');
  const plain = source.replaceAll(COMMENT, (comment) => comment.replaceAll(NO_ASCII, '?'));
  if (plain !== source) await writeFile(file, plain, 'latin1');
  if (plain.search(NO_ASCII) >= 0) console.warn(`${file}: not only ASCII, so it takes twice the memory`);
}

const COMMENT = /(\/\/|\/\*|^\s*\*).*$/gm;
const NO_ASCII = /[^\0-\x7f]+/g;

/** Every file that the program reads at run time: its path among the assets, and where it is now. */
export async function listAssetFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const asset of assets) {
    if (!asset.endsWith('/')) files.set(asset, assetFile(asset));
    else for (const path of await filesIn(asset.slice(0, -1))) files.set(path, join(project, path));
  }
  return files;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(project, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(project.length + 1))
    .sort();
}
