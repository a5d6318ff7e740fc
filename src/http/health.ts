import { Hono } from 'hono';
import { withDeadline } from '../deadline.ts';
import { HEALTH_TIMEOUT_MS } from '../limits.ts';

/** What the process knows of itself. */
export interface Health {
  readonly version: string;
  /** By module: where it runs. */
  readonly modules: Readonly<Record<string, 'local' | 'remote'>>;
  /** By module that runs elsewhere: whether its processes are reached. Down is no problem of this process. */
  readonly peers: Readonly<Record<string, string>>;
  /** Calls that processes of another version know differently, as `payment.charge`. */
  readonly differingCalls: readonly string[];
  readonly database: 'embedded' | 'postgres' | 'not used';
  /** Down is no problem: the shop goes on without it. */
  readonly redis: 'not used' | 'up' | 'down';
  /** By loop of background work, and pool of connections: whether it gets anything done. */
  readonly progress: Readonly<Record<string, 'turning' | 'stuck'>>;
  /**
   * Says what keeps the hosted modules from real work now; nothing means ready. Peers never count. Anyone may
   * read it, so it names parts and no addresses.
   */
  problems(): Promise<readonly string[]>;
}

/** `/livez`, `/readyz` and `/health`, for both ports. A check that hangs counts as failed. */
export function createHealthRoutes(health: Health): Hono {
  const app = new Hono();
  const fresh = { 'Cache-Control': 'no-store' };
  app.get('/livez', (c) => c.json({ status: 'ok' }, 200, fresh));
  app.get('/readyz', async (c) => {
    const problems = await problemsOf(health);
    if (problems.length > 0) return c.json({ status: 'not ready', problems }, 503, fresh);
    return c.json({ status: 'ready' }, 200, fresh);
  });
  app.get('/health', async (c) => {
    const problems = await problemsOf(health);
    const { version, modules, peers, differingCalls, database, redis, progress } = health;
    const report = { version, modules, peers, differingCalls, database, redis, progress, problems };
    if (problems.length > 0) return c.json({ status: 'down', ...report }, 503, fresh);
    return c.json({ status: 'ok', ...report }, 200, fresh);
  });
  return app;
}

/** Looks that are under way. */
const looks = new WeakMap<Health, Promise<readonly string[]>>();

/**
 * What keeps the process from work; never rejects, and ends in the time of a health check. All who ask meanwhile share
 * one look: anybody may ask on the public port, as often as they like, and each look asks the database.
 */
export function problemsOf(health: Health): Promise<readonly string[]> {
  const underWay = looks.get(health);
  if (underWay !== undefined) return underWay;
  const hanging = () => ['health: a check did not answer'];
  const look = withDeadline(health.problems(), HEALTH_TIMEOUT_MS, 'health check')
    .catch(hanging)
    .finally(() => looks.delete(health));
  looks.set(health, look);
  return look;
}
