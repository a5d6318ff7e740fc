import { readdir } from 'node:fs/promises';
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
  return result.metafile;
}

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
