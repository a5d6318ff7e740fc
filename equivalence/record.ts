import { describeAftermath } from './aftermath.ts';
import { createClient } from './client.ts';
import { startPlacement } from './placement-run.ts';
import { randomWalk } from './random-walk.ts';
import { suite } from './scenarios/suite.ts';
import { settle } from './settle.ts';
import { createStage } from './stage.ts';
import { createTranscript, type Transcript } from './transcript.ts';

export interface RecordOptions {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  /** For data, mails and logs. */
  readonly folder: string;
  readonly seed: number;
  readonly steps: number;
}

export interface Recording {
  readonly name: string;
  readonly lines: readonly string[];
  readonly codes: ReadonlySet<string>;
  readonly startSeconds: number;
  readonly seconds: number;
}

/** The seed of the walk, unless somebody wants another one. */
export const DEFAULT_SEED = 20_261_124;
export const DEFAULT_STEPS = 250;

/**
 * Runs all scenarios in a placement, and writes down what came of them. Rejects when a scenario breaks off, with the
 * last lines of the transcript and of the log.
 */
export async function record(placement: string, options: RecordOptions): Promise<Recording> {
  const startedMs = performance.now();
  const shop = await startPlacement(placement, options);
  const startSeconds = (performance.now() - startedMs) / 1_000;
  const transcript = createTranscript();
  try {
    const client = createClient(shop.url);
    const stage = createStage({
      client,
      transcript,
      settle: () => settle(shop.databases),
      admin: shop.admin,
      secrets: shop.secrets,
    });
    for (const scenario of [...suite, randomWalk(options.seed, options.steps)]) {
      transcript.part(scenario.name);
      await scenario.run(stage);
    }
    await stage.settle();
    client.close();
    await describeAftermath(transcript, shop);
    transcript.part('audit');
    const { code, out, err } = await shop.command('audit');
    transcript.note(`exit code ${code}\n${out}${err}`);
  } catch (cause) {
    const said = transcript.lines.slice(-40).join('\n');
    const message = `${placement} broke off: ${String(cause)}\n${said}\n\nlog:\n${shop.logTail()}`;
    await shop.stop().catch(() => undefined);
    throw new Error(message, { cause });
  }
  await shop.stop();
  return recordingOf(placement, transcript, startSeconds, startedMs);
}

function recordingOf(
  name: string,
  { lines, codes }: Transcript,
  startSeconds: number,
  startedMs: number,
): Recording {
  return { name, lines, codes, startSeconds, seconds: (performance.now() - startedMs) / 1_000 };
}
