import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Runs promtool, which comes with Prometheus, in a folder. Resolves with what it prints, and rejects with that too. */
export async function promtool(args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('promtool', args, { cwd, timeout: 120_000 });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`, { cause: error });
  }
}

/** Whether this machine has one; npm has none to bring. */
export async function hasPromtool(): Promise<boolean> {
  return await promtool(['--version'], '.').then(
    () => true,
    () => false,
  );
}
