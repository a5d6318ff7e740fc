import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { recordSpans } from '../telemetry/trace.ts';
import { startEdge, type TestEdge } from '../testing/edge.ts';
import { createTestRecorder } from '../testing/recorder.ts';
import { defineRoutes } from './route.ts';

const routes = defineRoutes({
  readThing: {
    method: 'get',
    path: '/things/{id}',
    access: 'anyone',
    summary: 's',
    params: z.object({ id: z.string() }),
    answers: { 200: { description: 'done', schema: z.unknown() } },
  },
});
let edge: TestEdge;
beforeAll(async () => {
  edge = await startEdge({
    routes,
    handlers: {
      async readThing({ params: { id } }) {
        if (id === 'bug') throw new Error('a secret of the database');
        if (id === 'away') throw new AppError('unavailable', 'database_unavailable', 'it is away');
        if (id === 'nothing') throw new AppError('not_found', 'thing_not_found', 'it is not there');
        return { status: 200, body: {} };
      },
    },
  });
});

let recorder: ReturnType<typeof createTestRecorder>;
beforeEach(() => {
  recorder = createTestRecorder();
  recordSpans(recorder);
});
afterEach(() => recordSpans(undefined));

test.each([
  ['GET', '/api/v1/things/7?token=secret', 200, 'GET /api/v1/things/{id}', undefined],
  ['GET', '/api/v1/things/nothing', 404, 'GET /api/v1/things/{id}', undefined],
  ['GET', '/api/v1/things/away', 503, 'GET /api/v1/things/{id}', '503'],
  ['GET', '/api/v1/things/bug', 500, 'GET /api/v1/things/{id}', '500'],
  ['GET', '/ann@example.com', 404, 'GET', undefined],
  ['BREW', '/api/v1/coffee', 404, 'HTTP', undefined],
])('%s %s, answered with %i, is the span %j', async (method, path, status, name, failure) => {
  const answer = await edge.request(path, { method, headers: { 'user-agent': 'somebody' } });
  expect(answer.status).toBe(status);
  expect(recorder.spans).toMatchObject([{ name, kind: 'server', failure, ended: true }]);
  const { attributes } = recorder.spans[0]!;
  expect(attributes['http.response.status_code']).toBe(status);
  expect(JSON.stringify(attributes)).not.toMatch(/secret|ann@|somebody|192\.0\.2/);
});
