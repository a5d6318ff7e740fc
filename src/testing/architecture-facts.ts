import { dirname, posix } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

/** Sources by their path from the project's root, as `modules/order/store.ts`. */
export type FileMap = ReadonlyMap<string, string>;

/** What one file says about itself, from its syntax tree: comments and strings cannot mislead it. */
export interface FileFacts {
  readonly path: string;
  /** The module whose folder it lies in. */
  readonly module: string | undefined;
  readonly isTest: boolean;
  /** Every file or package it names, by import (types too), re-export, `import()` and `import('…')` types. */
  readonly imports: readonly string[];
  /** Globals it reaches for, as `process.env`, `new Date()`, `fetch`. */
  readonly globals: ReadonlySet<string>;
  /** Whether it waits for anything. */
  readonly isAsync: boolean;
  /** `needs` of a `defineContract` (its list) or a `defineModule` (its keys), if there is one. */
  readonly needs: readonly string[] | undefined;
}

const watchedMembers = new Set([
  'process.env',
  'process.stdout',
  'process.stderr',
  'Date.now',
  'Math.random',
]);
const watchedCalls = new Set([
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'Date',
  'queueMicrotask',
]);

/** Reads one file. Throws when it does not parse, since a file that cannot be read cannot be judged. */
export function readFacts(path: string, source: string): FileFacts {
  const { program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const imports: string[] = [];
  const globals = new Set<string>();
  let isAsync = false;
  let needs: readonly string[] | undefined;
  const add = (node: { source?: unknown }) => {
    const specifier = textOf(node.source);
    if (specifier !== undefined) imports.push(resolve(path, specifier));
  };
  const noteAsync = (node: { async: boolean }) => {
    isAsync ||= node.async;
  };
  new Visitor({
    ImportDeclaration: add,
    ExportNamedDeclaration: add,
    ExportAllDeclaration: add,
    ImportExpression: add,
    TSImportType: add,
    FunctionDeclaration: noteAsync,
    FunctionExpression: noteAsync,
    ArrowFunctionExpression: noteAsync,
    MemberExpression(node) {
      if (node.object.type !== 'Identifier') return;
      const property = node.property.type === 'Identifier' ? node.property.name : textOf(node.property);
      const name = `${node.object.name}.${property}`;
      if (watchedMembers.has(name)) globals.add(name);
      if (node.object.name === 'console') globals.add('console');
    },
    NewExpression(node) {
      if (node.callee.type !== 'Identifier' || node.callee.name !== 'Date') return;
      if (node.arguments.length === 0) globals.add('new Date()');
    },
    CallExpression(node) {
      if (node.callee.type !== 'Identifier') return;
      const { name } = node.callee;
      if (watchedCalls.has(name)) globals.add(name);
      if (name === 'defineContract') needs = stringsOf(memberOf(node.arguments[1], 'needs')) ?? [];
      if (name === 'defineModule') needs = keysOf(memberOf(node.arguments[0], 'needs')) ?? [];
    },
  }).visit(program);
  const module = path.match(/^modules\/([^/]+)\//)?.[1];
  const isTest = /\.test\.ts$/.test(path) || path.startsWith('src/testing/');
  return { path, module, isTest, imports, globals, isAsync, needs };
}

/** The file a specifier means, as package.json's `imports` have it; a package keeps its name. */
function resolve(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.join(dirname(from), specifier);
  const platform = specifier.match(/^#platform\/(.+)$/)?.[1];
  if (platform !== undefined) return `src/${platform}.ts`;
  const door = specifier.match(/^#modules\/(.+)$/)?.[1];
  return door === undefined ? specifier : `modules/${door}.ts`;
}

// The tree's own types are wide unions; these few readers ask only for what they look at.
interface Tree {
  readonly type: string;
  readonly value?: unknown;
  readonly name?: string;
  readonly key?: Tree;
  readonly properties?: readonly Tree[];
  readonly elements?: readonly (Tree | null)[];
}

function textOf(node: unknown): string | undefined {
  const { type, value } = (node ?? {}) as Tree;
  return type === 'Literal' && typeof value === 'string' ? value : undefined;
}

function keyOf(property: Tree): string | undefined {
  return property.key?.name ?? textOf(property.key);
}

function memberOf(node: unknown, name: string): Tree | undefined {
  const property = (node as Tree | undefined)?.properties?.find((member) => keyOf(member) === name);
  return property?.value as Tree | undefined;
}

function stringsOf(node: Tree | undefined): string[] | undefined {
  return node?.elements?.map((element) => textOf(element) ?? '?');
}

function keysOf(node: Tree | undefined): string[] | undefined {
  return node?.properties?.map((property) => keyOf(property) ?? '?');
}
