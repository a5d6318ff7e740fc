import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What Spectral's OpenAPI ruleset says of a document, warnings included; nothing is good. */
export async function lintOpenApi(document: object): Promise<unknown[]> {
  const folder = await mkdtemp(join(tmpdir(), 'banyan-openapi-'));
  try {
    await writeFile(join(folder, 'openapi.json'), JSON.stringify(document));
    await writeFile(join(folder, 'ruleset.json'), JSON.stringify({ extends: ['spectral:oas'] }));
    const require = createRequire(import.meta.url);
    const spectral = require.resolve('@stoplight/spectral-cli/dist/index.js');
    const lint = [
      spectral,
      'lint',
      'openapi.json',
      '--ruleset',
      'ruleset.json',
      '--format',
      'json',
      '--quiet',
    ];
    const { stdout } = await promisify(execFile)(process.execPath, lint, { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    return JSON.parse(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}
