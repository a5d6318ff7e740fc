import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { shopNeeds } from './compose.ts';
import type { EventType } from './events/event.ts';
import type { AnyModule } from './module.ts';
import { defineContract } from './rpc/contract.ts';
import { describeChanges, diffReleases, findUnsent, type Release } from './rpc/contract-diff.ts';
import { type ModuleShape, moduleShape } from './rpc/module-shape.ts';

/**
 * Each module's contract.json is what processes of the last release know of it. What they cannot bear fails here by
 * name, and no snapshot is taken then. A snapshot that was taken counts as released: what one release stops using, the
 * next one may take away, and that they are two is up to whoever releases.
 */
const root = join(import.meta.dirname, '..');
/** What the shop itself calls has a snapshot too, under a name that no module has. */
const SHOP = 'every process';
const names = [...readdirSync(join(root, 'modules')), SHOP];

const HOW_TO_BREAK = `
They would fail while processes of both releases run. Add a call, or a version of the event, beside the old one; let
callers and consumers change over; take the old one away in a later release. To break them knowingly, by a release for
which the whole shop is stopped, delete the contract.json of the module that changed and run this once more.`;

const HOW_TO_UPDATE = `
Processes of both releases can work together if those that answer are replaced before those that ask. To take it:
bin/node node_modules/vitest/vitest.mjs run src/contract-snapshots.test.ts --update
`;

let before: Release;
let after: Release;

beforeAll(async () => {
  before = new Map(
    names.filter((name) => existsSync(fileOf(name))).map((name) => [name, readSnapshot(name)]),
  );
  after = new Map(await Promise.all(names.map(async (name) => [name, await shapeOf(name)] as const)));
});

function fileOf(name: string): string {
  return name === SHOP ? join(root, 'src/contract.json') : join(root, 'modules', name, 'contract.json');
}

function readSnapshot(name: string): ModuleShape {
  return JSON.parse(readFileSync(fileOf(name), 'utf8'));
}

async function shapeOf(name: string): Promise<ModuleShape> {
  if (name === SHOP) {
    return moduleShape({ contract: defineContract(name, { calls: {} }), needs: shopNeeds }, []);
  }
  const folder = join(root, 'modules', name);
  const exported = Object.values<AnyModule>(await import(join(folder, 'module.ts')));
  const definition = exported.find(({ contract }) => contract?.module === name);
  if (definition === undefined) throw new Error(`modules/${name}/module.ts exports the module ${name}`);
  const events = join(folder, 'events.ts');
  return moduleShape(definition, existsSync(events) ? Object.values<EventType>(await import(events)) : []);
}

test('each module can be replaced while the others go on, and has a current snapshot', async () => {
  const changes = diffReleases(before, after);
  const told = describeChanges(changes);
  if (changes.some(({ breaks }) => breaks.length > 0)) expect.fail(`${told}\n${HOW_TO_BREAK}`);
  for (const [name, shape] of after) {
    const text = `${JSON.stringify(shape, null, 2)}\n`;
    await expect(text, `${told}\n${HOW_TO_UPDATE}`).toMatchFileSnapshot(fileOf(name));
  }
});

test('every event that is handled is sent, in that version', () => {
  expect(findUnsent(after)).toEqual([]);
});
