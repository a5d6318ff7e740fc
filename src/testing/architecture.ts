import { basename } from 'node:path';
import { type FileFacts, type FileMap, readFacts } from './architecture-facts.ts';

/** One breach of "who may import whom": the rule's name, the file, and what it did. */
export interface Violation {
  readonly rule: string;
  readonly file: string;
  readonly detail: string;
}

type Rule = (file: FileFacts, all: ReadonlyMap<string, FileFacts>) => readonly string[];

const compose = 'src/compose.ts';
const isStore = (path: string) => /(^|-)store\.ts$/.test(basename(path));
const isSchema = (path: string) => /(^|-)schema\.ts$/.test(basename(path));
const moduleOf = (path: string) => path.match(/^modules\/([^/]+)\//)?.[1];
const isConsoleOwner = (path: string) => path === 'src/main.ts' || path.startsWith('src/commands/');

/** Files of a module that any file of it, or another module, may see without touching I/O. */
function isPureImport(path: string): boolean {
  if (moduleOf(path) !== undefined) return !isStore(path) && !isSchema(path);
  return path === 'zod' || /^src\/(errors|money|limits)\.ts$/.test(path) || isDeclaration(path);
}

/** Platform files that only define contracts, events and routes as data. */
function isDeclaration(path: string): boolean {
  return /^src\/(rpc\/contract|events\/event|http\/route|saga\/saga)\.ts$/.test(path);
}

const inputOutput = ['fetch', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process.env'];
const clock = ['Date.now', 'new Date()', 'Date'];

const rules: Readonly<Record<string, Rule>> = {
  'a module imports the platform, itself, and the contract and events of others': (file) => {
    if (file.module === undefined) return [];
    return file.imports.filter((path) => {
      const owner = moduleOf(path);
      if (owner !== undefined && owner !== file.module) return !/\/(contract|events)\.ts$/.test(path);
      if (/^src\/(compose|main|config|commands\/.*)\.ts$/.test(path)) return true;
      return path.startsWith('..');
    });
  },
  'only tests import the test harness': (file) =>
    file.isTest ? [] : file.imports.filter((path) => path.startsWith('src/testing/')),
  'the platform imports no module': (file) => {
    if (file.module !== undefined || file.path === compose) return [];
    return file.imports.filter((path) => moduleOf(path) !== undefined);
  },
  'only the composition root imports a module.ts': (file) => {
    if (file.path === compose) return [];
    // A module's own tests start the module they test.
    return file.imports.filter(
      (path) => /^modules\/[^/]+\/module\.ts$/.test(path) && !(file.isTest && moduleOf(path) === file.module),
    );
  },
  'only a store imports the schema': (file) => {
    if (file.module === undefined || file.isTest || isStore(file.path)) return [];
    return file.imports.filter(isSchema);
  },
  'routes and handlers leave the store to use cases': (file) => {
    if (!/^(routes|handlers)\.ts$|-(routes|handlers)\.ts$/.test(basename(file.path))) return [];
    return file.imports.filter(isStore);
  },
  'pure files do no I/O': (file) => {
    if (file.module === undefined || file.isTest) return [];
    // The file named for the module's noun holds its decisions, so it must be pure; any other is pure as soon
    // as it waits for nothing and imports nothing that does I/O, and may not come to I/O by a global instead.
    const isNoun = basename(file.path) === `${file.module}.ts`;
    const impure = file.imports.filter((path) => !isPureImport(path));
    if (isNoun) return [...impure, ...(file.isAsync ? ['async'] : []), ...used(file, inputOutput)];
    return impure.length === 0 && !file.isAsync ? used(file, [...inputOutput, 'Math.random']) : [];
  },
  'a module reads the clock in module.ts alone': (file) => {
    if (file.module === undefined || file.isTest || basename(file.path) === 'module.ts') return [];
    return used(file, clock);
  },
  'a module needs what its contract says': (file, all) => {
    if (basename(file.path) !== 'module.ts' || file.module === undefined) return [];
    const declared = all.get(`modules/${file.module}/contract.ts`)?.needs ?? [];
    const actual = file.needs ?? [];
    const list = (names: readonly string[]) => [...names].sort().join(', ') || 'nothing';
    if (list(declared) === list(actual)) return [];
    return [`needs ${list(actual)}, and its contract says ${list(declared)}`];
  },
  'needs have no cycle': (file, all) => {
    if (basename(file.path) !== 'contract.ts' || file.module === undefined) return [];
    const cycle = findCycle(file.module, all);
    return cycle === undefined ? [] : [cycle.join(' → ')];
  },
  'only config.ts reads the environment': (file) =>
    file.isTest || file.path === 'src/config.ts' ? [] : used(file, ['process.env']),
  'only commands print': (file) =>
    file.isTest || isConsoleOwner(file.path)
      ? []
      : used(file, ['console', 'process.stdout', 'process.stderr']),
};

export const ruleNames: readonly string[] = Object.keys(rules);

/** Holds every file against every rule of who may import whom (CONTRIBUTING.md). */
export function checkArchitecture(files: FileMap): Violation[] {
  const facts = new Map([...files].map(([path, source]) => [path, readFacts(path, source)]));
  return [...facts.values()].flatMap((file) =>
    Object.entries(rules).flatMap(([rule, check]) =>
      check(file, facts).map((detail) => ({ rule, file: file.path, detail })),
    ),
  );
}

function used(file: FileFacts, names: readonly string[]): string[] {
  return names.filter((name) => file.globals.has(name));
}

/** The way from `start` back to itself along the contracts' needs. */
function findCycle(start: string, all: ReadonlyMap<string, FileFacts>): string[] | undefined {
  const seen = new Set<string>();
  function walk(module: string, way: readonly string[]): string[] | undefined {
    for (const needed of all.get(`modules/${module}/contract.ts`)?.needs ?? []) {
      if (needed === start) return [...way, needed];
      if (seen.has(needed)) continue;
      seen.add(needed);
      const cycle = walk(needed, [...way, needed]);
      if (cycle !== undefined) return cycle;
    }
    return undefined;
  }
  return walk(start, [start]);
}
