import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { banyan, runBanyan } from '../testing/spawn-banyan.ts';
import { version } from '../version.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-cli-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  [[]],
  [['serve']],
  [['migrate']],
  [['import']],
  [['replay']],
  [['demo']],
  [['audit']],
  [['events']],
  [['keys', 'rotate']],
  [['orders', 'rebuild']],
  [['graph']],
  [['lint']],
  [['token']],
  [['traces']],
])('%j has help with examples', async (args) => {
  const { code, out } = await runBanyan([...args, '--help']);
  expect(code).toBe(0);
  expect(out).toContain('Usage: banyan');
  expect(out).toContain('Examples:\n  banyan');
});

test('--version prints the version', async () => {
  expect(await runBanyan(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
});

test('a reader that has gone, as `head` does, is no failure', async () => {
  const child = spawn(banyan, ['graph'], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
});

test.each([
  [['sell']],
  [['serve', '--prot', '1']],
  [['import']],
  [['replay', 'a.ndjson', '--concurrency', '0']],
  [['events', 'retry', 'not-an-id']],
  [['events', 'list', '--state', 'lost']],
  [['token', 'nothing']],
])('wrong usage %j ends with 2', async (args) => {
  const { code, err } = await runBanyan(args);
  expect(code).toBe(2);
  expect(err).toContain('error: ');
});

test('a wrong configuration ends with 78, and every fault is listed', async () => {
  const { code, err } = await runBanyan(['serve', '--log-level', 'loud'], {
    PORT: 'x',
    REDIS_URL: 'localhost',
  });
  expect(code).toBe(78);
  expect(err).toMatch(/^banyan: the configuration has 3 faults:\n( {2}.+\n){3}$/);
});

test.each([[['audit']], [['events', 'list']], [['keys', 'rotate']], [['orders', 'rebuild']]])(
  '%j of a folder without a shop ends with 66 and makes none',
  async (args) => {
    const dataDir = join(folder, 'empty');
    const { code, err } = await runBanyan([...args, '--data-dir', dataDir]);
    expect(code).toBe(66);
    expect(err).toBe(`banyan: there is no shop in ${dataDir}\n`);
  },
);

test('an input file that is missing ends with 66, a malformed one with 65', async () => {
  const bad = join(folder, 'bad.ndjson');
  writeFileSync(bad, '{}\n');
  expect((await runBanyan(['replay', join(folder, 'missing.ndjson')])).code).toBe(66);
  expect((await runBanyan(['import', join(folder, 'missing.csv')])).code).toBe(66);
  expect((await runBanyan(['replay', bad])).code).toBe(65);
});

test('a database that is not there ends serve with 69, and the setting to look at is named', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const DATABASE_URL = `postgres://banyan:hidden@127.0.0.1:${port}/shop`;
  const { code, err } = await runBanyan(['serve', '--data-dir', join(folder, 'away')], { DATABASE_URL });
  expect(code).toBe(69);
  expect(err).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
  expect(err).toContain('DATABASE_URL');
  expect(err).not.toContain('hidden');
});

test('a taken port ends serve with 69', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const args = ['--host', '127.0.0.1', '--port', String(port), '--ops-port', '0'];
  const { code, err } = await runBanyan(['serve', ...args, '--data-dir', join(folder, 'taken')]);
  taken.close();
  expect(code).toBe(69);
  expect(err).toContain(`EADDRINUSE: address already in use 127.0.0.1:${port}\n`);
  expect(err).toContain('PORT, OPS_PORT');
});
