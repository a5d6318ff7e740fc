import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { print } from '../src/commands/terminal.ts';
import { startPostgres } from '../src/testing/servers/postgres-server.ts';
import { startRedis } from '../src/testing/servers/redis-server.ts';
import { unprovoked } from './codes.ts';
import { firstDifference } from './compare.ts';
import { placements, splitOverGrpc } from './placements.ts';
import { DEFAULT_SEED, DEFAULT_STEPS, type Recording, record } from './record.ts';

const all = [...placements, splitOverGrpc];

interface Options {
  readonly seed: string;
  readonly steps: string;
  readonly keep?: string;
}

const program = new Command('equivalence')
  .description('runs one suite in placements, and shows where the first of them and another differ')
  .argument('[placements...]', `of ${all.join(', ')}, or the same one twice; all unless given`)
  .option('--seed <number>', 'decides the random walk', String(DEFAULT_SEED))
  .option('--steps <number>', 'length of the random walk', String(DEFAULT_STEPS))
  .option('--keep <folder>', 'write the transcripts there')
  .addHelpText('after', '\nExit code 1 when two transcripts differ.')
  .action(async (wanted: string[], options: Options) => {
    process.exitCode = (await compareAll(wanted.length === 0 ? all : wanted, options)) ? 0 : 1;
  });
await program.parseAsync();

async function compareAll(wanted: readonly string[], options: Options): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'banyan-equivalence-'));
  const postgres = await startPostgres({ durable: false });
  const redis = await startRedis();
  print(`seed ${options.seed}, ${options.steps} steps`);
  let equal = true;
  let first: Recording | undefined;
  try {
    for (const [number, name] of wanted.entries()) {
      const recording = await record(name, {
        postgresUrl: postgres.url,
        redisUrl: redis.url,
        folder: join(folder, String(number)),
        seed: Number(options.seed),
        steps: Number(options.steps),
      });
      if (options.keep !== undefined) keep(options.keep, recording, number);
      first ??= recording;
      const difference = firstDifference(first, recording);
      const verdict = recording === first ? 'recorded' : difference === undefined ? 'the same' : 'DIFFERS';
      const { seconds, startSeconds, lines } = recording;
      print(
        `${name}: ${verdict}, ${lines.length} lines in ${seconds.toFixed(1)} s (${startSeconds.toFixed(1)} s to start)`,
      );
      if (difference !== undefined) {
        equal = false;
        print(difference);
      }
    }
    const missing = unprovoked(first?.codes ?? new Set());
    if (missing.length > 0) print(`no scenario provokes ${missing.join(', ')}`);
    return equal && missing.length === 0;
  } finally {
    await redis.stop();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function keep(folder: string, { name, lines }: Recording, number: number): void {
  const path = resolve(folder);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, `${number + 1}-${name}.txt`), `${lines.join('\n')}\n`);
}
