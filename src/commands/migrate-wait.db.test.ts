import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runBanyan } from '../testing/spawn-banyan.ts';
import { createTestDatabase } from '../testing/test-database.ts';

const banyan = join(import.meta.dirname, '../../bin/banyan');

test('migrate --wait applies nothing, and ends when somebody else has migrated', async () => {
  const { url, drop } = await createTestDatabase();
  onTestFinished(drop);
  const env = { PATH: process.env.PATH ?? '', DATABASE_URL: url };
  const waiting = spawn(banyan, ['migrate', '--wait'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void waiting.kill('SIGKILL'));
  const ended = once(waiting, 'exit');
  const [said] = (await once(waiting.stderr, 'data')) as [Buffer];
  expect(String(said)).toContain('waiting: run `banyan migrate` first');
  expect(waiting.exitCode).toBeNull();

  const migrated = await runBanyan(['migrate'], { DATABASE_URL: url });
  expect([migrated.code, migrated.out]).toEqual([0, expect.stringMatching(/ applied\n$/)]);
  expect(await ended).toEqual([0, null]);
  expect(await runBanyan(['migrate', '--wait'], { DATABASE_URL: url })).toMatchObject({
    code: 0,
    out: 'nothing is pending\n',
  });
});
