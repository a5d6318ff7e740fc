import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runBanyan } from '../testing/spawn-banyan.ts';

const documented = readFileSync(join(import.meta.dirname, '../../docs/modules.md'), 'utf8');

test('graph draws what the documents show, to standard output or a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'banyan-graph-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { code, out } = await runBanyan(['graph']);
  expect(code).toBe(0);
  expect(out).toMatch(/^flowchart LR\n/);
  expect(documented).toContain(`\`\`\`mermaid\n${out}\`\`\``);

  const file = join(folder, 'modules.mmd');
  expect(await runBanyan(['graph', '--out', file])).toEqual({ code: 0, out: '', err: '' });
  expect(readFileSync(file, 'utf8')).toBe(out);
  const lost = await runBanyan(['graph', '--out', join(folder, 'none', 'modules.mmd')]);
  expect(lost).toMatchObject({ code: 1, out: '' });
  expect(lost.err).toContain('cannot be written (ENOENT)');
});
