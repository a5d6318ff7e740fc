// npm run build:binary: the whole program as one executable, dist/banyan, for machines like this one.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundle, dist, listAssetFiles } from './bundle.ts';
import { noticesOf } from './notices.ts';

const run = promisify(execFile);
const folder = join(dist, 'binary');
const output = join(dist, 'banyan');

await mkdir(folder, { recursive: true });
const main = join(folder, 'main.mjs');
const inputs = await bundle({ outfile: main });

const node = join(folder, 'node');
await copyFile(process.execPath, node);
// A fifth of Node is names for debuggers.
const isStripped = await run('strip', [node]).then(
  () => true,
  () => false,
);
if (!isStripped)
  console.warn('There is no `strip` here (Debian: binutils), so the executable is 30 MB larger.');

const draft = join(folder, 'banyan');
const config = join(folder, 'sea.json');
await writeFile(
  config,
  JSON.stringify({
    main,
    mainFormat: 'module',
    executable: node,
    output: draft,
    disableExperimentalSEAWarning: true,
    // Compiled code in the executable saves 60 ms of a start, and costs every process 27 MB.
    useCodeCache: false,
    assets: Object.fromEntries(await listAssetFiles()),
  }),
);
await run(process.execPath, ['--build-sea', config]);
// A rename, since a copy that runs can be replaced but not written to.
await rename(draft, output);
await writeFile(join(dist, 'THIRD-PARTY-LICENSES'), await noticesOf(inputs));
await rm(folder, { recursive: true });
console.log(`${output}: ${((await stat(output)).size / 1e6).toFixed(0)} MB`);
