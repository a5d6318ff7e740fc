import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The objects that `kubectl kustomize` makes of a folder, as YAML. Rejects with what it says. */
export async function kustomize(folder: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('kubectl', ['kustomize', folder], {
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  // Warnings of fields that will go, for one.
  if (stderr !== '') throw new Error(`kubectl kustomize ${folder}: ${stderr}`);
  return stdout;
}

/** Whether this machine has a kubectl that knows today's kustomizations; Debian's, 1.20, does not. */
export async function hasKubectl(): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)('kubectl', ['version', '--client', '--output', 'json']);
    return Boolean((JSON.parse(stdout) as { kustomizeVersion?: string }).kustomizeVersion);
  } catch {
    return false;
  }
}
