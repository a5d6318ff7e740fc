import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TracesConfig } from '../config.ts';
import { currentContext } from '../context.ts';
import { type Collector, startCollector } from '../testing/collector.ts';
import { findFreePort } from '../testing/servers/free-port.ts';
import { createLogger } from './log.ts';
import { enter, span } from './trace.ts';
import { newTrace } from './trace-context.ts';
import { startTracing, type Tracing } from './tracing.ts';

let collector: Collector;
let tracing: Tracing | undefined;
let logged: Record<string, unknown>[];

beforeEach(async () => {
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '10');
  collector = await startCollector();
  logged = [];
});
afterEach(async () => {
  await end();
  await collector.stop();
  vi.unstubAllEnvs();
});

async function start(change: Partial<TracesConfig> = {}): Promise<void> {
  const log = createLogger({
    level: 'info',
    destination: { write: (line: string) => void logged.push(JSON.parse(line)) },
  });
  const traces: TracesConfig = {
    url: `${collector.url}/v1/traces`,
    headers: {},
    serviceName: 'banyan',
    sampler: { name: 'parentbased_always_on', ratio: 1 },
    ...change,
  };
  tracing = await startTracing({ traces, modules: undefined, roles: [] }, log);
}

async function end(): Promise<void> {
  await tracing?.stop();
  tracing = undefined;
}

/** A trace of one span below `parent`; whether it is recorded. */
async function begin(name = 'work', parent = newTrace(), isParent = false): Promise<boolean> {
  return await enter(name, { parent: isParent ? parent : undefined }, { requestId: 'r' }, async () => {
    return currentContext()?.sampled === true;
  });
}

const names = () => collector.spans.map(({ name }) => name);

test('what a process has still to send goes out before it ends', async () => {
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '60000');
  await start();
  await begin('last words');
  expect(names()).toEqual([]);
  await end();
  expect(names()).toEqual(['last words']);
  expect(await begin('after the end')).toBe(false);
  expect(logged).toEqual([]);
});

test.each([
  ['always_on', 1, [true, true, true]],
  ['always_off', 1, [false, false, false]],
  ['traceidratio', 0, [false, false, false]],
  ['parentbased_always_on', 1, [true, true, false]],
  ['parentbased_always_off', 1, [false, true, false]],
  ['parentbased_traceidratio', 0, [false, true, false]],
  ['parentbased_traceidratio', 1, [true, true, false]],
] as const)(
  '%s of %f records a new, a recorded and an unrecorded trace: %j',
  async (name, ratio, recorded) => {
    await start({ sampler: { name, ratio } });
    const told = [
      await begin(),
      await begin('work', { ...newTrace(), sampled: true }, true),
      await begin('work', newTrace(), true),
    ];
    expect(told).toEqual(recorded);
    await end();
    expect(names()).toHaveLength(recorded.filter(Boolean).length);
  },
);

test('what tracing systems say to each other is passed on', async () => {
  await start();
  const parent = { ...newTrace(), sampled: true, traceState: 'vendor=x,other=y' };
  const seen = await enter('work', { parent }, { requestId: 'r' }, () =>
    span('inside', {}, async () => currentContext()),
  );
  expect(seen).toMatchObject({ traceId: parent.traceId, traceState: 'vendor=x,other=y' });
});

test('a collector that refuses is told of once, and once when it takes traces again', async () => {
  await start();
  collector.refuse(true);
  const refused = async () => {
    await begin();
    return logged.length;
  };
  await expect.poll(refused).toBe(1);
  // Some more batches, each of which fails.
  for (let batch = 0; batch < 5; batch += 1) {
    await begin();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  expect(logged).toMatchObject([{ level: 'warn', msg: 'traces are lost: the collector does not take them' }]);
  collector.refuse(false);
  await expect.poll(refused).toBe(2);
  expect(logged[1]).toMatchObject({ level: 'info', msg: 'the collector takes traces again' });
});

test('a collector that is away holds up no work, and the end for a while at most', async () => {
  await start({ url: `http://127.0.0.1:${await findFreePort()}/v1/traces` });
  for (let count = 0; count < 5_000; count += 1) expect(await begin()).toBe(true);
  await end();
  expect(logged.at(-1)).toMatchObject({ msg: 'the last traces were not sent' });
});

test('the SDK can be switched off by its own variable', async () => {
  vi.stubEnv('OTEL_SDK_DISABLED', 'true');
  await start();
  const seen = await enter('work', { parent: undefined }, { requestId: 'r' }, async () => currentContext());
  expect(seen).toMatchObject({ sampled: false, traceId: expect.not.stringMatching(/^0+$/) });
});

test('without a collector no SDK is loaded', async () => {
  // Imports what `banyan serve` does, and tells what was loaded before and after traces are asked for. Not the API,
  // a few small files that prom-client brings along.
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({
      load(url, context, next) {
        if (/@opentelemetry\\/(?!api\\/)/.test(url)) loaded.add(url);
        return next(url, context);
      },
    });
    await import('./src/commands/serve.ts');
    await import('./src/compose.ts');
    const { startTracing } = await import('./src/telemetry/tracing.ts');
    const off = await startTracing({ traces: undefined, modules: undefined, roles: [] });
    await off.stop();
    const before = loaded.size;
    const sampler = { name: 'always_off', ratio: 0 };
    const traces = { url: 'http://127.0.0.1:1', headers: {}, serviceName: 'banyan', sampler };
    await startTracing({ traces, modules: undefined, roles: [] }, { debug() {} });
    console.log(JSON.stringify({ before, isAfter: loaded.size > 0 }));
    process.exit();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: join(import.meta.dirname, '../..'),
  });
  expect(JSON.parse(stdout)).toEqual({ before: 0, isAfter: true });
});
