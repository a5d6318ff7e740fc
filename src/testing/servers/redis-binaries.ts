import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Where Redis may come from: PATH, or npm. */
export type RedisSource = 'system' | 'npm';

/** `redis-server` or `valkey-server` of PATH, whichever runs; undefined when none does. */
export async function findRedis(): Promise<string | undefined> {
  for (const command of ['redis-server', 'valkey-server']) {
    try {
      await promisify(execFile)(command, ['--version'], { timeout: 5_000 });
      return command;
    } catch {
      // It is not installed.
    }
  }
  return undefined;
}
