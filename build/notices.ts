import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { project } from './bundle.ts';

/** Not imported: its files are served as they are. */
const served = 'node_modules/swagger-ui-dist';

/** The licences of the packages in a build, which ask to go wherever their code goes. */
export async function noticesOf({ inputs }: Metafile): Promise<string> {
  const folders = Object.keys(inputs).flatMap(
    (file) => file.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/) ?? [],
  );
  const notices = [...new Set([...folders, served])].sort().map(noticeOf);
  return (await Promise.all(notices)).join(`\n${'-'.repeat(80)}\n\n`);
}

async function noticeOf(folder: string): Promise<string> {
  const path = join(project, folder);
  const { name, version, license } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8'));
  const entries = await readdir(path, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /^(licen[cs]e|notice)/i.test(entry.name));
  const texts = await Promise.all(files.map((file) => readFile(join(path, file.name), 'utf8')));
  return [`${name} ${version}, ${license}\n`, ...texts.map((text) => `${text.trim()}\n`)].join('\n');
}
