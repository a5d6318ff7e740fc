import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Bench } from '../suite.ts';
import type { LoadMessage } from './main.ts';
import type { LoadPlan, LoadResult } from './plan.ts';

/** Clients in a process of their own. */
export interface Load {
  readonly pid: number;
  /** One at a time. Rejects when anything was answered wrongly. */
  run(plan: LoadPlan): Promise<LoadResult>;
}

/** Starts the process that loads are run in; it ends with the suite. */
export function startLoad(bench: Bench): Load {
  const child = fork(join(import.meta.dirname, 'main.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bench.atEnd(() => child.kill('SIGKILL'));
  return {
    pid: child.pid!,
    async run(plan) {
      const ended = new AbortController();
      const onExit = () => ended.abort(new Error('the load died'));
      child.once('exit', onExit);
      try {
        child.send(plan);
        const [message] = (await once(child, 'message', { signal: ended.signal })) as [LoadMessage];
        if ('failed' in message) throw new Error(`${describe(plan)}: ${message.failed}`);
        return message.result;
      } finally {
        child.off('exit', onExit);
      }
    },
  };
}

function describe({ work, clients, url }: LoadPlan): string {
  return `load of kind ${work.kind} by ${clients} clients on ${url}`;
}
