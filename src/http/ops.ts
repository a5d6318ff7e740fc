import { Hono } from 'hono';
import { isAppError } from '../errors.ts';
import { createHealthRoutes, type Health } from './health.ts';
import type { Metrics } from './metrics.ts';

/** The operations port: health, and metrics for Prometheus. */
export function createOpsApp(options: { health: Health; metrics: Metrics }): Hono {
  const app = new Hono();
  const { metrics } = options;
  app.route('/', createHealthRoutes(options.health));
  app.get('/metrics', async (c) => {
    try {
      return c.text(await metrics.render(), 200, { 'Content-Type': metrics.registry.contentType });
    } catch (error) {
      if (!isAppError(error)) throw error;
      return c.text(error.message, 503);
    }
  });
  return app;
}
