import { expect, test } from 'vitest';
import { z } from 'zod';
import { allModules, shopNeeds } from './compose.ts';
import { defineModule } from './module.ts';
import { drawModules, renderModulesPage } from './module-graph.ts';
import { defineContract, query, uses } from './rpc/contract.ts';

test('the picture in the documents is drawn from the modules as they are', async () => {
  await expect(renderModulesPage({ modules: allModules, shopNeeds })).toMatchFileSnapshot(
    '../docs/modules.md',
  );
});

test('an arrow names the calls that are made, and the events that are sent', () => {
  const look = query({ input: z.object({}), output: z.object({}), errors: [] });
  const shelf = defineContract('shelf', {
    calls: { look, count: look, unused: look },
    consumes: ['clerk.left.v1', 'clerk.came.v2'],
  });
  const clerk = defineContract('clerk', { calls: {}, needs: ['shelf'] });
  const create = () => ({ api: { look: noAnswer, count: noAnswer, unused: noAnswer }, handlers: {} });
  const noAnswer = async () => ({});
  const modules = [
    defineModule({ contract: shelf, schema: 'shelves', needs: {}, routes: {}, create }),
    defineModule({
      contract: clerk,
      schema: 'clerks',
      needs: { shelf: uses(shelf, 'look', 'count') },
      routes: {},
      create: () => ({ api: {}, handlers: {} }),
    }),
  ];
  expect(drawModules({ modules, shopNeeds: {} }).split('\n').slice(2)).toEqual([
    '  shelf["shelf<br>schema shelves"]',
    '  clerk["clerk<br>schema clerks"]',
    '  clerk -->|"count<br>look"| shelf',
    '  clerk -.->|"clerk.came.v2<br>clerk.left.v1"| shelf',
    '',
  ]);
});
