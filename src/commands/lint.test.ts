import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMetrics } from '../http/metrics.ts';
import { createCallMetrics } from '../rpc/observe.ts';
import { runBanyan } from '../testing/spawn-banyan.ts';

let folder: string;
let metrics: string;

/** Settings that a split needs; nothing is dialled. */
const servers = {
  DATABASE_URL: 'postgres://shop@127.0.0.1:1/shop',
  REDIS_URL: 'redis://127.0.0.1:1',
  SERVICE_SECRET: 'a secret of this test, long enough to be one',
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-lint-'));
  const measured = createMetrics();
  const calls = createCallMetrics(measured.registry);
  measured.http.observe({ method: 'POST', route: '/api/v1/orders', status: 201, seconds: 0.02 });
  const edge = { caller: 'order', module: 'product', call: 'quote' };
  for (let made = 0; made < 9; made += 1) calls.observe({ ...edge, mode: 'local', outcome: 'ok' }, 0.001);
  calls.sized({ ...edge, inputBytes: 200, outputBytes: 1_000 });
  metrics = await measured.render();
  writeFileSync(join(folder, 'shop.prom'), metrics);
});
afterAll(() => rmSync(folder, { recursive: true }));

function place(name: string, processes: string): string {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `description: For a test.\nprocesses:\n${processes}`);
  return file;
}

test('a placement without a fault ends with 0', async () => {
  expect(await runBanyan(['lint', 'monolith'])).toEqual({
    code: 0,
    out: 'monolith: 0 problems, 0 warnings\n',
    err: '',
  });
});

test('problems are all told, those of the settings as well, and end with 1', async () => {
  const file = place('wrong', '  shop: { modules: [user, stock], roles: [http, worker], public: true }\n');
  const { code, out } = await runBanyan(['lint', file]);
  expect(code).toBe(1);
  expect(out).toContain('problem: shop: there is no module stock');
  expect(out).toContain('problem: no process with the role http hosts product');
  expect(out).toContain('problem: SERVICE_SECRET');
  const unread = await runBanyan(['lint', 'nowhere']);
  expect([unread.code, unread.out]).toEqual([1, expect.stringContaining('there is no placement nowhere')]);
});

test('modules that talk too much to be apart are warned of, from a file and from a shop that runs', async () => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/metrics' ? 200 : 404;
    response.end(metrics);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const from of [join(folder, 'shop.prom'), url]) {
    const { code, out } = await runBanyan(['lint', 'split', '--metrics', from], servers);
    expect(code).toBe(0);
    expect(out).toContain('warning: order → product: each request to order would make 9.0 calls');
    expect(out).toMatch(/^order → product +to order +9\.00 +1,200 +\d/m);
    expect(out).toContain('split: 0 problems, 1 warning\n');
  }
  const whole = await runBanyan(['lint', 'workers', '--metrics', url], servers);
  expect([whole.code, whole.out]).toEqual([0, 'workers: 0 problems, 0 warnings\n']);
  server.close();
});

test('metrics that cannot be had or tell nothing are said to be so', async () => {
  const missing = await runBanyan(['lint', 'monolith', '--metrics', join(folder, 'none.prom')]);
  expect([missing.code, missing.err]).toEqual([66, expect.stringContaining('cannot be read (ENOENT)')]);
  const away = await runBanyan(['lint', 'monolith', '--metrics', 'http://127.0.0.1:1']);
  expect([away.code, away.err]).toEqual([69, expect.stringContaining('no metrics from')]);
  writeFileSync(join(folder, 'idle.prom'), 'up 1\n');
  const idle = await runBanyan(['lint', 'monolith', '--metrics', join(folder, 'idle.prom')]);
  expect([idle.code, idle.err]).toEqual([65, expect.stringContaining('has traded')]);
});

test('mail that several workers would write to folders is warned of, and is none with a mail server', async () => {
  const file = place(
    'two-workers',
    `  shop: { modules: all, roles: [http], public: true }
  worker: { modules: all, roles: [worker], replicas: 2 }\n`,
  );
  const { code, out } = await runBanyan(['lint', file], servers);
  expect(code).toBe(0);
  expect(out).toContain('warning: notification keeps mail, as SMTP_URL is not set, in the DATA_DIR');
  expect(out).toContain('(worker-1, worker-2)');
  const mailed = await runBanyan(['lint', file], { ...servers, SMTP_URL: 'smtp://127.0.0.1:25' });
  expect(mailed.out).toBe(`${file}: 0 problems, 0 warnings\n`);
});
