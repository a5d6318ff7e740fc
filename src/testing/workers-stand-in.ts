/**
 * A process that supervises workers, and those workers, each a small server instead of a shop: what `runWorkers` is
 * tested with. Its arguments are the number of workers and how they behave:
 *
 * - `good`: answers with its pid, and at `/metrics`; `/slow` is answered once the worker has been told to stop
 * - `broken`: ends with 78 instead of starting
 * - `dying`: is ready, and ends
 * - `stubborn`: does not stop
 */
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Gauge } from 'prom-client';
import { listenForLogLevel } from '../commands/log-level.ts';
import { leavePrimary, tellPrimary } from '../commands/worker-process.ts';
import { runWorkers } from '../commands/workers.ts';
import { createLogger } from '../telemetry/log.ts';

const [, , count, behaviour] = process.argv;
const root = createLogger({ level: 'info' });
const log = root.child({ pid: process.pid });

if (cluster.isPrimary) {
  const limits = {
    restartMs: 1,
    restartMaxMs: 4,
    metricsTimeoutMs: 500,
    stopTimeoutMs: behaviour === 'stubborn' ? 100 : 20_000,
  };
  process.exitCode = await runWorkers({ count: Number(count), log, limits });
} else {
  if (behaviour === 'broken') {
    log.error('broken');
    process.exit(78);
  }
  listenForLogLevel(root, 'info');
  const { createWorkerMetrics } = await import('../commands/worker-metrics.ts');
  const metrics = createWorkerMetrics();
  const pidGauge = new Gauge({ name: 'stand_in_pid', help: 'pid', registers: [metrics.registry] });
  pidGauge.set(process.pid);
  metrics.http.observe({ method: 'GET', route: '/', status: 200, seconds: 0.004 });
  const server = createServer(async (request, response) => {
    response.setHeader('connection', 'close');
    if (request.url === '/metrics') return response.end(await metrics.render());
    if (request.url === '/slow') {
      log.info('slow');
      process.once('SIGTERM', () => setTimeout(() => response.end('slow'), 50));
      return;
    }
    response.end(String(process.pid));
  });
  process.on('SIGTERM', () => {
    if (behaviour !== 'stubborn') server.close(leavePrimary);
  });
  server.listen(0, '127.0.0.1', () => {
    log.info({ port: (server.address() as AddressInfo).port }, 'ready');
    tellPrimary({ type: 'ready' });
    if (behaviour === 'dying') process.exit(1);
  });
}
