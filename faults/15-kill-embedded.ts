import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, withDeadline } from '../src/deadline.ts';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';
import { findFreePort } from '../src/testing/servers/free-port.ts';
import { runBanyan, type ShopProcess, spawnShop } from '../src/testing/spawn-banyan.ts';
import { checkBooks } from './check-books.ts';
import { queryFolder } from './embedded-sql.ts';
import { type Fault, type FaultContext, type FaultResult, pickNumber } from './fault.ts';
import { type Load, startLoad } from './load.ts';
import { describeWork, openWork } from './settle.ts';
import { FORBIDDEN, told } from './verdict.ts';

const ORDERS = 500;
const SETTLE_MS = 150_000;
const BETWEEN_LOOKS_MS = 3_000;
/** A second opener has to say no at once, and not to wait for the folder. */
const REFUSED_MS = 30_000;
const admin = { email: 'admin@example.com', password: 'correct horse battery' };

/**
 * Kills a shop on its embedded database again and again under load. Before each kill a second process tries to open the
 * same folder, which would lose rows unless it is refused.
 */
export const fault: Fault = {
  number: 15,
  name: 'kill-embedded',
  async run(context) {
    const dataDir = join(context.folder, 'data');
    const port = await findFreePort();
    const shop = createKeptShop(dataDir, port);
    await shop.start();
    try {
      const url = `http://127.0.0.1:${port}`;
      const load = await startLoad({
        urls: [url],
        admin,
        seed: context.seed,
        lanes: 8,
        ordersPerSecond: context.short ? 40 : 20,
      });
      return await killUnderLoad(context, { dataDir, shop, load }).finally(() =>
        load.stop().catch(() => undefined),
      );
    } finally {
      await shop.stop();
    }
  },
};

interface Trade {
  readonly dataDir: string;
  readonly shop: KeptShop;
  readonly load: Load;
}

async function killUnderLoad(context: FaultContext, { dataDir, shop, load }: Trade): Promise<FaultResult> {
  const { short, random } = context;
  const kills = short ? 5 : 50;
  const problems: string[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    await load.reached(load.acknowledged + 5);
    await sleep(pickNumber(random, 0, short ? 1_000 : 2_500));
    problems.push(...(await openTwice(dataDir)));
    context.say(`${load.acknowledged} orders, kill ${kill} of ${kills}`);
    await shop.killAndStart();
  }
  await load.reached(Math.max(ORDERS, load.acknowledged + 20));
  context.say(`${load.acknowledged} orders, waiting for the last answers`);
  await load.stop();
  context.say(`${load.acknowledged} orders, waiting until nothing is under way`);
  const settled = await settleFolder(dataDir, shop);
  problems.push(...settled.problems);
  context.say('auditing');
  const { code, out, err } = await runBanyan(['audit', '--json', '--data-dir', dataDir]);
  if (code !== 0) problems.push(`audit ended with ${code}: ${err}`, ...told('audit', out.trim().split('\n')));

  context.say('checking the books');
  const mailFolder = join(dataDir, 'mail');
  const { lost, duplicated, wrong } = await queryFolder(dataDir, (sql) =>
    checkBooks({ mailFolder, query: (work) => work(sql) }, load.orders),
  );
  problems.push(...load.problems, ...told('lost', lost), ...told('duplicated', duplicated));
  problems.push(...told('wrong', wrong), ...told('log', shop.badLines()));
  return {
    injected: kills,
    load: load.describe(),
    acknowledged: load.acknowledged,
    lost: lost.length,
    duplicated: duplicated.length,
    worstStallMs: load.worstStallMs,
    problems,
    notes: [`a second opener was tried ${kills} times`, `settled in ${Math.round(settled.tookMs)} ms`],
  };
}

/** Tries to serve the folder that is served already; returns what is wrong with the refusal. */
async function openTwice(dataDir: string): Promise<string[]> {
  const control = join(dataDir, 'control.json');
  const before = readFileSync(control, 'utf8');
  const env = { HOST: '127.0.0.1', PORT: '0', OPS_PORT: '0', RATE_LIMIT: 'off' };
  const attempt = runBanyan(['serve', '--data-dir', dataDir], env);
  const { code, out, err } = await withDeadline(attempt, REFUSED_MS, 'the refusal of a second opener');
  const problems: string[] = [];
  if (code === 0 || !/in use by another process/.test(out + err))
    problems.push(`a second opener ended with ${code} and said: ${(out + err).slice(-500)}`);
  if (readFileSync(control, 'utf8') !== before) problems.push('a second opener wrote over control.json');
  return problems;
}

/**
 * Only one process can look into the folder, so the shop is stopped for each look, and started again as long as
 * something is under way. It has stopped when this resolves.
 */
async function settleFolder(
  dataDir: string,
  shop: KeptShop,
): Promise<{ tookMs: number; problems: readonly string[] }> {
  const startedMs = performance.now();
  for (;;) {
    await sleep(BETWEEN_LOOKS_MS);
    const problems = await shop.stop();
    const open = describeWork(await queryFolder(dataDir, openWork));
    const tookMs = performance.now() - startedMs;
    if (problems.length > 0 || open === '') return { tookMs, problems };
    if (tookMs > SETTLE_MS) return { tookMs, problems: [`still under way after ${SETTLE_MS} ms: ${open}`] };
    await shop.start();
  }
}

/** A shop on one folder and one port that is started again after each kill. */
interface KeptShop {
  start(): Promise<void>;
  killAndStart(): Promise<void>;
  /** Ends it in good order, if it runs; returns what was wrong with that. */
  stop(): Promise<string[]>;
  /** What no log may say. */
  badLines(): string[];
}

function createKeptShop(dataDir: string, port: number): KeptShop {
  const env = {
    PORT: String(port),
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
    RATE_LIMIT: 'off',
    LOG_LEVEL: 'warn',
  };
  let shop: ShopProcess | undefined;
  const lines: string[] = [];
  endWithProcess(() => shop?.child.kill('SIGKILL'));

  async function start(): Promise<void> {
    shop = await spawnShop(dataDir, env);
  }

  function keepLog({ output }: ShopProcess): void {
    lines.push(
      ...output()
        .split('\n')
        .filter((line) => FORBIDDEN.test(line)),
    );
  }

  return {
    start,
    async killAndStart() {
      const victim = shop!;
      const { exitCode, signalCode } = victim.child;
      if (exitCode !== null || signalCode !== null)
        throw new Error(
          `the shop ended by itself with ${signalCode ?? exitCode}: ${victim.output().slice(-2_000)}`,
        );
      await victim.end('SIGKILL');
      keepLog(victim);
      await start();
    },
    async stop() {
      const last = shop;
      shop = undefined;
      if (!last) return [];
      const code = await last.end('SIGTERM');
      keepLog(last);
      return code === 0 ? [] : [`the shop ended with code ${code}: ${last.output().slice(-2_000)}`];
    },
    badLines: () => lines,
  };
}
