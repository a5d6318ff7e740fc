// npm run build: dist/banyan-server, which needs Node and nothing else, and the same packed.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { bundle, dist, listAssetFiles, project } from './bundle.ts';
import { noticesOf } from './notices.ts';

const name = 'banyan-server';
const folder = join(dist, name);

await rm(folder, { recursive: true, force: true });
// One folder below the root, as the source is, since assets are found from there.
const inputs = await bundle({ outdir: join(folder, 'lib'), splitting: true });

const files = new Map([...(await listAssetFiles())].filter(([path]) => path !== 'package.json'));
for (const path of ['LICENSE', 'deploy/config/banyan.yaml', 'docs/settings.md']) {
  files.set(path, join(project, path));
}
for (const [path, source] of files) {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await copyFile(source, join(folder, path));
}

const { version, license, type, engines } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'));
const about = { name, version, license, private: true, type, engines, bin: { banyan: 'banyan.js' } };
await writeFile(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
await writeFile(join(folder, 'THIRD-PARTY-LICENSES'), await noticesOf(inputs));
const launcher = await readFile(join(import.meta.dirname, 'launcher.ts'), 'utf8');
const { code } = await transform(launcher, { loader: 'ts', target: 'node24', format: 'esm' });
await writeFile(join(folder, 'banyan.js'), code, { mode: 0o755 });

const archive = join(dist, `banyan-${version}.tar.gz`);
await promisify(execFile)('tar', ['-czf', archive, name], { cwd: dist });
console.log(`${archive}: ${((await stat(archive)).size / 1e6).toFixed(1)} MB`);
