import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../testing/servers/redis-server.ts';
import { type ShopProcess, spawnShop } from '../testing/spawn-banyan.ts';

let server: RedisServer;
let dataDir: string;
let shop: ShopProcess | undefined;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'banyan-stop-'));
  server = await startRedis();
});
afterEach(async () => {
  shop?.child.kill('SIGKILL');
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

it.each(['SIGKILL', 'SIGSTOP'] as const)(
  'a process that is told to stop ends although Redis is gone by %s',
  async (signal) => {
    shop = await spawnShop(dataDir, { REDIS_URL: server.url });
    await server.kill(signal);
    expect(await shop.end('SIGTERM')).toBe(0);
    expect(shop.output()).not.toContain('did not stop cleanly');
  },
  120_000,
);
