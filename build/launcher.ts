#!/usr/bin/env node
// banyan.js of the built server: starts lib/main.js in a process whose memory is bounded.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/**
 * Large blocks go back to the system as soon as they are free. By itself glibc keeps them for its threads once it has
 * seen one, and so 19 MiB for each thread that ever hashed a password. What a thread may keep is 4 MiB.
 */
const malloc = {
  MALLOC_MMAP_THRESHOLD_: String(1024 ** 2),
  MALLOC_TRIM_THRESHOLD_: String(4 * 1024 ** 2),
};
/** Half of V8's own for what is new, in MB: 25 MB less, and collections take as long as they did. */
const NEW_SPACE = '--max-semi-space-size=16';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major * 1000 + minor < 24007) {
  console.error(`banyan: this is Node ${process.versions.node}; it takes Node 24.7 or later.`);
  process.exit(1);
}
const main = join(import.meta.dirname, 'lib/main.js');
const { NODE_OPTIONS = '', ...env } = process.env;
// A process reads all this when it begins. So this one begins anew, in 20 ms, and stays the same for whoever started it.
// Where that can not be, as on Windows, or with a channel to a parent, it needs more memory and is as good.
if (process.execve && process.platform !== 'win32' && process.channel === undefined) {
  try {
    // Asked first, as Node 24 aborts where it can not begin anew: without /proc it does not know where it is.
    accessSync(process.execPath, constants.X_OK);
    process.execve(process.execPath, [process.argv0, ...process.execArgv, main, ...process.argv.slice(2)], {
      ...malloc,
      ...env,
      NODE_OPTIONS: `${NEW_SPACE} ${NODE_OPTIONS}`.trim(),
    });
  } catch {
    // The system forbids it, or does not say where Node is.
  }
}
await import(main);
