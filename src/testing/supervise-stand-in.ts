/**
 * A process that supervises two others, each a small server instead of a shop: what `supervise` is tested with. It
 * prints a JSON object for each thing it is told of. Its argument says how the second of them, `b`, behaves:
 *
 * - `good`: answers, and ends when asked to
 * - `broken`: ends with 78 instead of starting
 * - `dying`: ends soon after it was ready
 * - `stubborn`: does not stop
 * - `draining`: stops after a while, for which it had asked
 *
 * Both tell SIGUSR2, as a process of a shop does.
 */
import { createServer } from 'node:http';
import { pickPorts } from '../commands/pick-ports.ts';
import { supervise } from '../commands/supervise.ts';
import { endWithSupervisor } from '../commands/supervised.ts';

const [, self = '', behaviour = '', port] = process.argv;

function tell(told: object): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

async function superviseTwo(): Promise<number> {
  const first = await pickPorts(2);
  const command = (name: string, index: number, behaves: string) => ({
    name,
    args: [self, behaves, String(first + index)],
    env: { PATH: process.env.PATH ?? '' },
    opsUrl: `http://127.0.0.1:${first + index}`,
    stopTurn: index,
    drainMs: behaves === 'draining' ? 20_000 : 0,
  });
  return await supervise({
    commands: [command('a', 0, 'good'), command('b', 1, behaviour)],
    take: (name, line) => tell({ name, line }),
    say: (sentence) => tell({ sentence }),
    onChange: (states) => tell({ states }),
    onReady: () => tell({ isReady: true }),
    limits: {
      restartMs: 1,
      restartMaxMs: 4,
      lookMs: 20,
      stopTimeoutMs: behaviour === 'stubborn' || behaviour === 'draining' ? 100 : 20_000,
    },
  });
}

function serveAlone(): void {
  if (behaviour === 'broken') process.exit(78);
  endWithSupervisor();
  const server = createServer((_, response) => {
    response.setHeader('connection', 'close').end('{}');
    if (behaviour === 'dying') setTimeout(() => process.exit(1), 50);
  });
  process.on('SIGTERM', () => {
    if (behaviour === 'stubborn') return;
    const stop = () => {
      process.stdout.write('stopped, and this is the last line without a break');
      server.close();
    };
    // Longer than the stopping of others may take.
    if (behaviour === 'draining') setTimeout(stop, 500);
    else stop();
  });
  process.on('SIGUSR2', () => process.stdout.write('SIGUSR2\n'));
  server.listen(Number(port), '127.0.0.1');
}

if (port === undefined) process.exitCode = await superviseTwo();
else serveAlone();
