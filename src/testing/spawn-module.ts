import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { sleep } from '../deadline.ts';
import { invariant } from '../errors.ts';

const banyan = join(import.meta.dirname, '../../bin/banyan');
/** Less than the hooks of tests have, so that a process that does not start says why. */
const START_MS = 50_000;

/**
 * `banyan serve` on Postgres, with no setting but those given, once it is ready on the operations port `opsPort`.
 * `program` is another release's. `end` sends SIGTERM and resolves with the exit code.
 */
export async function spawnModule(
  opsPort: number,
  env: Readonly<Record<string, string>>,
  program = banyan,
): Promise<{ end(): Promise<number | null> }> {
  const child = spawn(program, ['serve'], {
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      OPS_HOST: '127.0.0.1',
      PORT: '0',
      OPS_PORT: String(opsPort),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const ended = once(child, 'exit');
  const end = async () => {
    child.kill('SIGTERM');
    const [code] = await ended;
    return code as number | null;
  };
  try {
    const endsAt = performance.now() + START_MS;
    while (!(await isReady(opsPort))) {
      invariant(child.exitCode === null, `the process starts: ${output}`);
      invariant(performance.now() < endsAt, `the process starts within ${START_MS} ms: ${output}`);
      await sleep(50);
    }
    return { end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function isReady(opsPort: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`).catch(() => undefined);
  return answer?.ok ?? false;
}
