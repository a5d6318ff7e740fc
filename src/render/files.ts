import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** A file to write, by its name in the folder. */
export interface RenderedFile {
  readonly name: string;
  readonly text: string;
}

const MARK = '# Written by `banyan render';

/** Some YAML documents, with first lines that say where they come from and what `notes` adds. */
export function yamlFile(file: {
  readonly name: string;
  /** What was rendered, as `kubernetes split`. */
  readonly of: string;
  readonly documents: readonly object[];
  readonly notes?: readonly string[];
}): RenderedFile {
  const head = [
    `${MARK} ${file.of}\`; write it anew instead of changing it.`,
    // A note is somebody's text, and may have lines of its own.
    ...(file.notes ?? []).flatMap((note) => note.split(/\r\n|[\r\n]/)).map(comment),
  ];
  const documents = file.documents.map((document) =>
    stringify(document, { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' }),
  );
  return { name: file.name, text: `${head.join('\n')}\n${documents.join('---\n')}` };
}

const comment = (line: string) => (line === '' ? '#' : `# ${line}`);

/**
 * Writes the files into the folder, and removes those of an earlier rendering that are none any more. Leaves alone
 * what somebody else has put there. Fails as the file system does.
 */
export function writeFiles(folder: string, files: readonly RenderedFile[]): void {
  mkdirSync(folder, { recursive: true });
  const kept = new Set(files.map(({ name }) => name));
  for (const name of readdirSync(folder)) {
    if (!name.endsWith('.yaml') || kept.has(name)) continue;
    if (readFileSync(join(folder, name), 'utf8').startsWith(MARK)) rmSync(join(folder, name));
  }
  for (const { name, text } of files) writeFileSync(join(folder, name), text);
}
