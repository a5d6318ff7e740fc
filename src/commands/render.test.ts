import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runBanyan } from '../testing/spawn-banyan.ts';

const deploy = join(import.meta.dirname, '../../deploy');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-render-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function place(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, `description: For a test.\n${text}`);
  return file;
}

const contentOf = (path: string) =>
  Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name), 'utf8')]));

test('kubernetes writes what is in deploy/, and takes away what an earlier rendering has left', async () => {
  const output = join(folder, 'cluster');
  expect((await runBanyan(['render', 'kubernetes', 'split', '--output', output])).code).toBe(0);
  expect(contentOf(output)).toEqual(contentOf(join(deploy, 'kubernetes/base/split')));
  writeFileSync(join(output, 'mine.yaml'), 'kind: Mine\n');
  const { code, out, err } = await runBanyan(['render', 'kubernetes', 'monolith', '--output', output]);
  expect([code, out]).toEqual([0, '']);
  expect(err).toBe('monolith: 2 pods, 4 at most; up to 40 connections to Postgres, 80 at most\n');
  const { 'mine.yaml': mine, ...others } = contentOf(output);
  expect(mine).toBe('kind: Mine\n');
  expect(others).toEqual(contentOf(join(deploy, 'kubernetes/base/monolith')));
});

test('to standard output go all objects, with the image, the namespace and the host that were asked for', async () => {
  const flags = [
    '--image',
    'registry.example.com/shop:7',
    '--namespace',
    'trade',
    '--host',
    'trade.example.com',
  ];
  const { code, out } = await runBanyan(['render', 'kubernetes', 'workers', ...flags]);
  expect(code).toBe(0);
  expect(new Set(out.match(/(?<= image: ).+/g))).toEqual(new Set(['registry.example.com/shop:7']));
  expect(new Set(out.match(/(?<= namespace: ).+/g))).toEqual(new Set(['trade']));
  expect(out).toContain('host: trade.example.com');
  expect(out).not.toContain('kind: Kustomization');
});

test('compose writes what is in deploy/, to a file or to standard output', async () => {
  const committed = readFileSync(join(deploy, 'compose/split.yaml'), 'utf8');
  expect(await runBanyan(['render', 'compose', 'split'])).toEqual({ code: 0, out: committed, err: '' });
  const output = join(folder, 'split.yaml');
  expect((await runBanyan(['render', 'compose', 'split', '--output', output])).out).toBe('');
  expect(readFileSync(output, 'utf8')).toBe(committed);
  const lost = await runBanyan([
    'render',
    'compose',
    'split',
    '--output',
    join(folder, 'none', 'split.yaml'),
  ]);
  expect([lost.code, lost.err]).toEqual([1, expect.stringContaining('cannot be written (ENOENT)')]);
});

test('all problems are told as by lint, with the names that a cluster would refuse', async () => {
  const wrong = place(
    'wrong.yaml',
    `defaults: { DATABASE_POOL_MAX: 3, SMTP_URL: 'smtp://a:b@mail' }
processes:
  banyan: { modules: [user, stock], roles: [http, worker], public: true }
`,
  );
  const { code, err } = await runBanyan(['render', 'kubernetes', wrong, '--namespace', 'My Shop']);
  expect(code).toBe(78);
  for (const problem of [
    'banyan: there is no module stock',
    'no process with the role http hosts product',
    'DATABASE_POOL_MAX: expected a whole number from 5 to 1000, got "3"',
    'defaults: SMTP_URL is a secret, which no file may hold',
    'banyan: what is rendered beside the processes has this name',
    '--namespace: expected up to 63 small letters, digits and dashes, got "My Shop"',
  ]) {
    expect(err).toContain(problem);
  }
  expect(err).not.toContain('SERVICE_SECRET');
  const unknown = await runBanyan(['render', 'compose', 'nowhere']);
  expect([unknown.code, unknown.err]).toEqual([78, expect.stringContaining('there is no placement nowhere')]);
});
