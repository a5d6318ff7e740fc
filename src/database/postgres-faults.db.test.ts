import { afterAll, beforeAll, expect, it } from 'vitest';
import { stressDatabase } from '../testing/database-stress.ts';
import { type PostgresServer, startPostgres } from '../testing/servers/postgres-server.ts';

let server: PostgresServer;
beforeAll(async () => {
  // Flushed, since it is restarted without warning, and its own, since others would notice.
  server = await startPostgres();
});
afterAll(() => server.stop());

it('loses and halves nothing while statements are cancelled, sessions ended and the server restarts, and is whole again', async () => {
  const figures = await stressDatabase(server, {
    durationMs: 6_000,
    terminateEveryMs: 60,
    cancelEveryMs: 5,
    restarts: 3,
  });
  expect(figures).toMatchObject({
    restarts: 3,
    lost: 0,
    halves: 0,
    unexpected: [],
    unsettled: 0,
    sessionsAtOnce: 6,
  });
  expect(figures.acknowledged).toBeGreaterThan(100);
  expect(figures.refused).toBeGreaterThan(0);
  expect(figures.terminated).toBeGreaterThan(20);
  expect(figures.cancelled).toBeGreaterThan(100);
});
