import { sleep } from '../src/deadline.ts';
import type { ShopProcess } from './shop-process.ts';

/** A request that a module answers, and what it answers when all is well. */
export interface Probe {
  readonly path: string;
  readonly status: number;
}

/** One answer to a probe while its module was away, or why there was none. */
export interface Seen {
  readonly outcome: number | string;
  readonly durationMs: number;
  readonly retryAfter: string | null;
  /** Whether the breaker of the process that was asked was open right before. */
  readonly isCutOff: boolean;
}

export interface PeerWatch {
  /** Who of the callers had the breaker open at some time. */
  readonly opened: ReadonlySet<string>;
  /** Asks no more, and resolves with what was seen once all answers are there. */
  stop(): Promise<readonly Seen[]>;
}

const EVERY_MS = 250;
/** Longer than any answer may take, so that one which hangs is seen as that. */
const PATIENCE_MS = 60_000;

/** Asks the gateway for something of a module again and again, and looks at its callers' breakers meanwhile. */
export function watchPeer(options: {
  module: string;
  gateway: ShopProcess;
  /** The gateway too, if it is to be looked at. */
  callers: readonly ShopProcess[];
  ask: () => Promise<{ status: number; retryAfter: string | null }>;
}): PeerWatch {
  const { module, gateway, callers, ask } = options;
  const opened = new Set<string>();
  const asked: Promise<Seen>[] = [];
  let isOver = false;

  async function look(): Promise<boolean> {
    let isCutOff = false;
    await Promise.all(
      callers.map(async (caller) => {
        if (!(await isHeldDown(caller, module))) return;
        opened.add(caller.name);
        if (caller === gateway) isCutOff = true;
      }),
    );
    return isCutOff;
  }

  async function askOnce(isCutOff: boolean): Promise<Seen> {
    const startedMs = performance.now();
    const took = () => performance.now() - startedMs;
    return await ask().then(
      ({ status, retryAfter }) => ({ outcome: status, retryAfter, durationMs: took(), isCutOff }),
      (error: unknown) => ({ outcome: String(error), retryAfter: null, durationMs: took(), isCutOff }),
    );
  }

  async function run(): Promise<void> {
    while (!isOver) {
      asked.push(askOnce(await look()));
      await sleep(EVERY_MS);
    }
  }

  const running = run();
  return {
    opened,
    async stop() {
      isOver = true;
      await running;
      return await Promise.all(asked);
    },
  };
}

/** Asks for a probe at a process. */
export async function askAt({ url }: ShopProcess, { path }: Probe, token: string) {
  const answer = await fetch(new URL(path, url), {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  await answer.arrayBuffer();
  return { status: answer.status, retryAfter: answer.headers.get('retry-after') };
}

/** Whether a process takes the module for down, so that it asks it nothing; undefined where that is not to be learnt. */
export async function isHeldDown({ opsUrl }: ShopProcess, module: string): Promise<boolean | undefined> {
  try {
    const answer = await fetch(`${opsUrl}/metrics`, { signal: AbortSignal.timeout(3_000) });
    const found = new RegExp(`^banyan_peer_down\\{module="${module}"\\} (\\d)`, 'm').exec(
      await answer.text(),
    );
    return found === null ? undefined : found[1] === '1';
  } catch {
    return undefined;
  }
}
