import { sleep } from '../src/deadline.ts';
import { type Fault, pick, pickNumber } from './fault.ts';
import { underLoad } from './under-load.ts';

/** Kills a random process again and again, without a word, and starts it again at once. */
export const fault: Fault = {
  number: 1,
  name: 'kill-random-process',
  anyPlacement: true,
  run(context) {
    const { short, random } = context;
    const kills = short ? 8 : 200;
    return underLoad(context, {
      load: { ordersPerSecond: short ? 60 : 25 },
      async inject({ cluster }, say) {
        const killed = new Map<string, number>();
        for (let kill = 1; kill <= kills; kill += 1) {
          await sleep(pickNumber(random, 1_000, short ? 2_500 : 5_000));
          const victim = pick(random, cluster.processes);
          await victim.kill();
          killed.set(victim.name, (killed.get(victim.name) ?? 0) + 1);
          say(`kill ${kill} of ${kills}, ${victim.name}`);
        }
        await Promise.all(cluster.processes.map((each) => each.ready()));
        const counts = [...killed].map(([name, count]) => `${name} ${count} times`);
        return { injected: kills, notes: [`killed ${counts.join(', ')}`] };
      },
    });
  },
};
