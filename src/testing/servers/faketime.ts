import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The environment under which a program reads the offset of its clock from a file, as `+25h`, each time it asks for
 * the time. Rejects when libfaketime is not installed.
 */
export async function faketimeEnv(clockFile: string): Promise<Record<string, string>> {
  for (const architecture of await readdir('/usr/lib')) {
    const library = join('/usr/lib', architecture, 'faketime', 'libfaketime.so.1');
    if (!existsSync(library)) continue;
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: clockFile,
      FAKETIME_NO_CACHE: '1',
      // Waits and timeouts go by the monotonic clock, which never jumps on a real machine either.
      DONT_FAKE_MONOTONIC: '1',
    };
  }
  throw new Error('libfaketime is not installed here (Debian: apt-get install libfaketime)');
}
