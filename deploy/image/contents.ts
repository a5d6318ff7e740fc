import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

interface Sbom {
  readonly bomFormat: string;
  readonly components: readonly { readonly name: string; readonly version: string }[];
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** What is wrong with the files of an image at `root`; `project` is the source that it was built from. */
export async function contentProblems(root: string, project: string): Promise<string[]> {
  const problems: string[] = [];
  const app = join(root, 'app');
  const manifest: Manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));

  for (const path of ['LICENSE', 'THIRD-PARTY-LICENSES', 'banyan.js', 'deploy/config/banyan.yaml'])
    if (!existsSync(join(app, path))) problems.push(`there is no /app/${path}`);
  // Names that only source and packages have.
  const source = [
    '-name',
    'node_modules',
    '-o',
    '-name',
    'src',
    '-o',
    '-name',
    '*.test.*',
    '-o',
    '-name',
    '*.map',
  ];
  const { out: surplus } = await run('find', [app, ...source]);
  problems.push(...linesOf(surplus).map((path) => `there is ${path.slice(root.length)}`));

  const sbom: Sbom = JSON.parse(readFileSync(join(app, 'sbom.cdx.json'), 'utf8'));
  const listed = new Map(sbom.components.map(({ name, version }) => [name, version]));
  if (sbom.bomFormat !== 'CycloneDX') problems.push(`the SBOM is in ${sbom.bomFormat}`);
  for (const [name, version] of Object.entries(manifest.dependencies))
    if (listed.get(name) !== version) problems.push(`the SBOM has ${name} as ${listed.get(name)}`);
  // Packages that others of ours need as well are listed as theirs.
  for (const name of ['vitest', 'typescript', 'esbuild', '@biomejs/biome'])
    if (name in manifest.devDependencies && listed.has(name)) problems.push(`the SBOM has ${name}`);

  for (const program of ['npm', 'npx', 'yarn', 'corepack'])
    if (existsSync(join(root, 'usr/local/bin', program))) problems.push(`there is ${program}`);

  // Links say nothing; what they point at does.
  const changeable = ['(', '-perm', '/o+w', '-o', '-uid', '1000', ')', '!', '-type', 'l'];
  const { out } = await run('find', [app, join(root, 'usr'), join(root, 'etc'), ...changeable]);
  problems.push(...linesOf(out).map((path) => `the shop may change ${path.slice(root.length)}`));
  return problems;
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(Boolean);
}
