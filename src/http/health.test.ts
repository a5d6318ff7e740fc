import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Health } from './health.ts';
import { createMetrics } from './metrics.ts';
import { createOpsApp } from './ops.ts';

function ops(problems: Health['problems']) {
  const health: Health = {
    version: '1.2.3',
    modules: { order: 'local', payment: 'remote' },
    peers: { payment: 'up' },
    differingCalls: ['payment.charge'],
    database: 'embedded',
    redis: 'down',
    progress: { 'order sagas': 'turning' },
    problems,
  };
  const metrics = createMetrics();
  return { app: createOpsApp({ health, metrics, servers: [] }), metrics };
}

async function ask(problems: Health['problems'], path: string) {
  const response = await ops(problems).app.request(path);
  expect(response.headers.get('cache-control')).toBe('no-store');
  return { status: response.status, body: await response.json() };
}

describe('health', () => {
  it('is good while nothing is down', async () => {
    const fine = async () => [];
    expect(await ask(fine, '/livez')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await ask(fine, '/readyz')).toEqual({ status: 200, body: { status: 'ready' } });
    expect(await ask(fine, '/health')).toEqual({
      status: 200,
      body: {
        status: 'ok',
        version: '1.2.3',
        modules: { order: 'local', payment: 'remote' },
        peers: { payment: 'up' },
        differingCalls: ['payment.charge'],
        database: 'embedded',
        redis: 'down',
        progress: { 'order sagas': 'turning' },
        problems: [],
      },
    });
  });

  it('names what is down, while the process still lives', async () => {
    const down = async () => ['database'];
    expect(await ask(down, '/livez')).toMatchObject({ status: 200 });
    expect(await ask(down, '/readyz')).toEqual({
      status: 503,
      body: { status: 'not ready', problems: ['database'] },
    });
    expect(await ask(down, '/health')).toMatchObject({ status: 503, body: { status: 'down' } });
  });

  it('is looked after once for all who ask meanwhile, and then anew', async () => {
    let looks = 0;
    const { app } = ops(async () => {
      looks += 1;
      await setImmediate();
      return looks === 1 ? ['database'] : [];
    });
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.request('/readyz')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(looks).toBe(1);
    expect((await app.request('/readyz')).status).toBe(200);
  });

  it('is bad when the check itself fails', async () => {
    const broken = () => Promise.reject(new Error('at db.internal:5432'));
    const { status, body } = await ask(broken, '/readyz');
    expect(status).toBe(503);
    expect(JSON.stringify(body)).not.toContain('db.internal');
  });
});

describe('metrics', () => {
  it('are served as Prometheus reads them', async () => {
    const { app, metrics } = ops(async () => []);
    metrics.http.observe({ method: 'GET', route: '/orders/{id}', status: 200, seconds: 0.004 });
    const response = await app.request('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('process_cpu_user_seconds_total');
    expect(text).toContain(
      'http_request_duration_seconds_bucket{le="0.005",method="GET",route="/orders/{id}",status="200"} 1',
    );
  });
});
