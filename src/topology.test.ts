import { describe, expect, it } from 'vitest';
import type { AnyModule } from './module.ts';
import { defineContract } from './rpc/contract.ts';
import { sortByNeeds, subscribersOf } from './topology.ts';

function createModule(
  name: string,
  needs: readonly string[] = [],
  consumes: readonly string[] = [],
): AnyModule {
  const contract = defineContract(name, { calls: {}, needs, consumes });
  const needed = Object.fromEntries(needs.map((need) => [need, defineContract(need, { calls: {} })]));
  return { contract, schema: name, needs: needed, routes: {}, create: () => ({ api: {}, handlers: {} }) };
}

const names = (modules: readonly AnyModule[]) => modules.map((module) => module.contract.module);

describe('topology', () => {
  it('puts each module after those it needs', () => {
    const modules = [
      createModule('order', ['user', 'product']),
      createModule('product', ['user']),
      createModule('user'),
    ];
    expect(names(sortByNeeds(modules, new Set()))).toEqual(['user', 'product', 'order']);
  });

  it('refuses a cycle and names it', () => {
    const modules = [createModule('a', ['b']), createModule('b', ['a'])];
    expect(() => sortByNeeds(modules, new Set())).toThrow('a → b → a');
  });

  it('refuses a need that is nowhere, and accepts one that is elsewhere', () => {
    const modules = [createModule('order', ['user'])];
    expect(() => sortByNeeds(modules, new Set())).toThrow('order needs user');
    expect(names(sortByNeeds(modules, new Set(['user'])))).toEqual(['order']);
  });

  it('collects the subscribers of each event type from the contracts', () => {
    const contracts = [createModule('a', [], ['x.v1']), createModule('b', [], ['x.v1', 'y.v1'])].map(
      (module) => module.contract,
    );
    expect([...subscribersOf(contracts)]).toEqual([
      ['x.v1', ['a', 'b']],
      ['y.v1', ['b']],
    ]);
  });
});
