import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const controlSchema = z.object({
  pid: z.int().positive(),
  /** Where the public API and the operations port answer, for a caller on this machine. */
  url: z.url(),
  opsUrl: z.url(),
  token: z.string().min(32),
});

/** How commands find the process that holds a folder. */
export type ControlInfo = z.output<typeof controlSchema>;

function pathIn(dataDir: string): string {
  return join(dataDir, 'control.json');
}

/** Written whole or not at all, and readable by its owner only: the token is the key to the shop. */
export function writeControlFile(dataDir: string, info: ControlInfo): void {
  const draft = `${pathIn(dataDir)}.${info.pid}`;
  writeFileSync(draft, `${JSON.stringify(info)}\n`, { mode: 0o600 });
  renameSync(draft, pathIn(dataDir));
}

export function removeControlFile(dataDir: string): void {
  rmSync(pathIn(dataDir), { force: true });
}

/** What the file says; undefined when there is none, or when it is not one of ours. It may be left of a dead process. */
export function readControlFile(dataDir: string): ControlInfo | undefined {
  try {
    return controlSchema.parse(JSON.parse(readFileSync(pathIn(dataDir), 'utf8')));
  } catch (error) {
    const malformed = error instanceof SyntaxError || error instanceof z.ZodError;
    if (malformed || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
