import { Hono } from 'hono';
import { isAppError } from '../errors.ts';
import { createHealthRoutes, type Health } from './health.ts';
import type { HttpEnv } from './http-env.ts';
import type { Metrics } from './metrics.ts';

/** The operations port: health, metrics for Prometheus, and what other processes of the shop ask (`servers`). */
export function createOpsApp(options: {
  health: Health;
  metrics: Metrics;
  servers: readonly Hono<HttpEnv>[];
}): Hono {
  const app = new Hono<HttpEnv>();
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
  for (const server of options.servers) app.route('/', server);
  // What the app keeps along a request is its own business.
  return app as unknown as Hono;
}
