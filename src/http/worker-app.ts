import type { Hono } from 'hono';
import { newTrace } from '../telemetry/trace-context.ts';
import { createHealthRoutes, type Health } from './health.ts';
import { nothingThere } from './parse-call.ts';
import { problemAnswer } from './problem.ts';

/** What a process without the http role answers on its public port: health, for whatever keeps it running. */
export function createWorkerApp(health: Health): Hono {
  const app = createHealthRoutes(health);
  app.notFound((c) => {
    const occurrence = { instance: new URL(c.req.url).pathname, traceId: newTrace().traceId };
    const { body } = problemAnswer(nothingThere(), occurrence);
    return c.json(body, 404, { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
  });
  return app;
}
