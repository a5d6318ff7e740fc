import { expect, test } from 'vitest';
import { topFunctions } from './top-functions.ts';

function node(id: number, functionName: string, url = '', lineNumber = 0) {
  return { id, callFrame: { functionName, url, lineNumber, columnNumber: 0, scriptId: '0' }, children: [] };
}

test('functions are listed by their own share of the time that was not idle', () => {
  const profile = {
    nodes: [
      node(1, '(root)'),
      node(2, '(idle)'),
      node(3, 'parse', 'file:///shop/src/http/json.ts', 10),
      // The same function, called from elsewhere.
      node(4, 'parse', 'file:///shop/src/http/json.ts', 10),
      node(5, '', 'file:///shop/node_modules/zod/src/index.js', 0),
    ],
    startTime: 0,
    endTime: 100,
    samples: [3, 2, 4, 5, 5],
    timeDeltas: [5, 30, 40, 30, 40],
  };
  expect(topFunctions(profile, 5)).toEqual([
    { name: 'parse', where: 'src/http/json.ts:11', share: 0.6 },
    { name: '(anonymous)', where: 'node_modules/zod/src/index.js:1', share: 0.4 },
  ]);
  expect(topFunctions(profile, 1)).toHaveLength(1);
});
