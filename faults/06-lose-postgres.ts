import { sleep } from '../src/deadline.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, pickNumber } from './fault.ts';
import { underLoad } from './under-load.ts';
import { checkWhole } from './verdict.ts';

const EVERY_MS = 60;

/** Restarts Postgres without mercy, then ends random sessions all the time. */
export const fault: Fault = {
  number: 6,
  name: 'lose-postgres',
  run(context) {
    const { short, random } = context;
    const restarts = short ? 3 : 5;
    const terminateMs = short ? 8_000 : 60_000;
    return underLoad(context, {
      load: { ordersPerSecond: short ? 50 : 30 },
      async inject({ cluster }, say) {
        const problems: string[] = [];
        for (let restart = 1; restart <= restarts; restart += 1) {
          await sleep(pickNumber(random, 2_000, short ? 4_000 : 8_000));
          say(`restart ${restart} of ${restarts}`);
          await cluster.postgres.restart('immediate');
          problems.push(...(await checkWhole(cluster)).map((problem) => `restart ${restart}: ${problem}`));
        }
        say('ending sessions');
        const ended = await terminateSessions(cluster, random, terminateMs);
        problems.push(...(await checkWhole(cluster)).map((problem) => `sessions ended: ${problem}`));
        return { injected: restarts + ended, problems, notes: [`ended ${ended} sessions`] };
      },
    });
  },
};

/** Ends one random session of the shop after another, as an operator or a failover would, and counts them. */
async function terminateSessions(cluster: Cluster, random: () => number, forMs: number): Promise<number> {
  const endsAt = performance.now() + forMs;
  return await cluster.query(async (sql) => {
    let ended = 0;
    while (performance.now() < endsAt) {
      const dueAt = performance.now() + EVERY_MS;
      const rows = await sql`
        with session as (
          select pid, row_number() over (order by pid) - 1 as position, count(*) over () as count
          from pg_stat_activity
          where datname = current_database() and backend_type = 'client backend' and usename <> current_user)
        select pg_terminate_backend(pid) from session where position = floor(${random()}::float8 * count)`;
      ended += rows.length;
      await sleep(Math.max(0, dueAt - performance.now()));
    }
    return ended;
  });
}
