import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogger } from '../telemetry/log.ts';
import type { ReceivedSpan } from '../telemetry/otlp.ts';
import { enter, span } from '../telemetry/trace.ts';
import { parseTraceparent } from '../telemetry/trace-context.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { drawTrace } from './trace-tree.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

test('what a process sends is printed as a tree, whole when the command ends', async () => {
  const banyan = join(import.meta.dirname, '../../bin/banyan');
  const child = spawn(banyan, ['traces', '--port', '0', '--name', 'step'], {
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  await expect.poll(() => err, { timeout: 30_000 }).toMatch(/http:\/\/127\.0\.0\.1:\d+/);
  const url = `${/http:\S+/.exec(err)![0]}/v1/traces`;

  const tracing = await startTracing(
    {
      traces: { url, headers: {}, serviceName: 'banyan', sampler: { name: 'always_on', ratio: 1 } },
      modules: ['order'],
      roles: ['http'],
    },
    createLogger({ level: 'silent' }),
  );
  const parent = parseTraceparent(`00-${TRACE}-00f067aa0ba902b7-01`);
  const work = enter('POST /orders', { kind: 'server', parent }, { requestId: 'r' }, async () => {
    await span('step charge', {}, async () => {
      await span('payment/charge', { attributes: { size: 1.5 } }, async () => undefined);
      throw new TypeError('a bug');
    });
  });
  await expect(work).rejects.toThrow('a bug');
  await enter(
    'GET /products',
    { kind: 'server', parent: undefined },
    { requestId: 'q' },
    async () => undefined,
  );
  await tracing.stop();
  child.kill('SIGTERM');
  expect((await once(child, 'exit'))[0]).toBe(0);
  const lines = out.trimEnd().split('\n');
  expect(lines[0]).toBe(`trace ${TRACE}, 3 spans`);
  expect(lines.slice(2).map((line) => line.slice(21))).toEqual([
    'POST /orders  (FAILED TypeError; order: http)',
    '  step charge  (FAILED TypeError)',
    '    payment/charge',
  ]);
});

test('a span whose parent is missing stands at the top, in the order of time', () => {
  const common = { traceId: TRACE, kind: 'client', attributes: {}, failed: false, resource: {} } as const;
  const spans: ReceivedSpan[] = [
    {
      ...common,
      spanId: 'b',
      parentId: 'lost',
      name: 'late',
      startNs: 3_000_000n,
      endNs: 3_500_000n,
      links: [],
    },
    {
      ...common,
      spanId: 'a',
      parentId: undefined,
      name: 'first',
      startNs: 1_000_000n,
      endNs: 2_000_000n,
      links: [{ traceId: TRACE, spanId: 'b' }],
    },
  ];
  expect(drawTrace(spans)).toEqual([
    '    at ms   took ms',
    '      0.0       1.0  first  (linked to b)',
    '      2.0       0.5  late',
  ]);
});
