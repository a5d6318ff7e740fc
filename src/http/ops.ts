import { Hono } from 'hono';
import { createHealthRoutes, type Health } from './health.ts';
import type { Metrics } from './metrics.ts';

/** The operations port: health, and metrics for Prometheus. */
export function createOpsApp(options: { health: Health; metrics: Metrics }): Hono {
  const app = new Hono();
  const { registry } = options.metrics;
  app.route('/', createHealthRoutes(options.health));
  app.get('/metrics', async (c) =>
    c.text(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
  );
  return app;
}
