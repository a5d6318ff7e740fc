import { describe, expect, it } from 'vitest';
import { missingPeers } from './compose.ts';

const http = ['http', 'worker'] as const;

describe('what PEERS lacks', () => {
  it('is nothing where all modules are', () => {
    expect(missingPeers({ modules: undefined, peers: {}, roles: http })).toEqual([]);
  });

  it('is every module with routes for a gateway, since it serves the whole API', () => {
    const missing = missingPeers({ modules: [], peers: { user: ['http://user:9090'] }, roles: ['http'] });
    expect(missing.map((problem) => /module (\w+)/.exec(problem)?.[1])).toEqual([
      'product',
      'payment',
      'order',
    ]);
  });

  it('is what its modules call for a worker', () => {
    const worker = { modules: ['order'], peers: {}, roles: ['worker'] as const };
    const missing = missingPeers(worker);
    expect(missing).toHaveLength(3);
    expect(missing.every((problem) => problem.includes('order calls it'))).toBe(true);
    expect(missingPeers({ ...worker, modules: ['product'] })).toEqual([]);
  });
});
