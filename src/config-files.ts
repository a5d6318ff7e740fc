import { readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { isExecutable } from './assets.ts';
import { type SettingName, settingNames, settingTable } from './settings.ts';

/** In the program's folder; an executable of one file has it beside itself. */
const defaultFile = isExecutable
  ? join(dirname(process.execPath), 'banyan.yaml')
  : join(import.meta.dirname, '../deploy/config/banyan.yaml');

/** A setting's text and where it was written, for messages. */
export interface Given {
  readonly text: string;
  readonly source: string;
}

/**
 * Reads `file` and, over it, its environment-specific sibling (`banyan.production.yaml`). Only a file that was
 * asked for by name must be there. Faults are added to `problems` by line, never with what the line says, since
 * it may be a secret.
 */
export function readConfigFiles(
  file: string | undefined,
  runEnv: string | undefined,
  problems: string[],
): Map<SettingName, Given> {
  const base = file ?? defaultFile;
  const extension = extname(base);
  const sibling = `${base.slice(0, base.length - extension.length)}.${runEnv}${extension}`;
  const given = readFile(base, file !== undefined, problems);
  if (runEnv === undefined) return given;
  return new Map([...given, ...readFile(sibling, false, problems)]);
}

function readFile(path: string, required: boolean, problems: string[]): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>();
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (required || code !== 'ENOENT') problems.push(`${path}: cannot be read (${code})`);
    return given;
  }
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    problems.push(`${path} line ${lines.linePos(error.pos[0]).line}: not valid YAML (${error.code})`);
  }
  if (document.errors.length > 0) return given;
  const paths = new Map(settingNames.map((name) => [settingTable[name].path, name]));
  const placeOf = (node: Node) => `${path} line ${lines.linePos(node.range?.[0] ?? 0).line}`;

  function visit(node: Node, trail: readonly string[]): void {
    const name = paths.get(trail.join('.'));
    const text = name === undefined ? undefined : textOf(node);
    if (name !== undefined && text !== undefined) {
      given.set(name, { text, source: `${trail.join('.')} (${placeOf(node)})` });
    } else if (name !== undefined) {
      problems.push(`${trail.join('.')} (${placeOf(node)}): expected ${settingTable[name].expects}`);
    } else if (isMap<Node, Node | null>(node) && isGroup(trail)) {
      for (const { key, value } of node.items) {
        if (value !== null) visit(value, [...trail, isScalar(key) ? String(key.value) : '?']);
      }
    } else if (isGroup(trail)) {
      // A key whose members are all commented out is an empty group.
      if (!(isScalar(node) && node.value === null)) {
        problems.push(`${trail.join('.') || path} (${placeOf(node)}): expected a group of settings`);
      }
    } else {
      problems.push(`${trail.join('.')} (${placeOf(node)}) is not a setting; docs/settings.md lists them`);
    }
  }

  if (document.contents !== null) visit(document.contents, []);
  return given;
}

/** Whether settings lie below this place. */
function isGroup(trail: readonly string[]): boolean {
  const prefix = trail.map((segment) => `${segment}.`).join('');
  return settingNames.some((name) => settingTable[name].path?.startsWith(prefix));
}

/** Scalars and lists of them as the text that a variable would hold. */
function textOf(node: Node): string | undefined {
  if (isSeq<Node>(node)) {
    const items = node.items.map((item) => (isScalar(item) ? textOf(item) : undefined));
    return items.includes(undefined) ? undefined : items.join(',');
  }
  if (!isScalar(node) || node.value === null) return undefined;
  // The source keeps what a number would lose, as the leading zero of a password.
  return node.source ?? String(node.value);
}
