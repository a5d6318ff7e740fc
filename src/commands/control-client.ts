import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Finding } from '../audit.ts';
import type { AuditLine, NewKey, Operations } from './control.ts';
import { type ControlInfo, readControlFile } from './control-file.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** A process on the same machine answers at once or is not there. */
const PING_MS = 2_000;

/** The shop that runs on a folder, and what it lets operators do. */
export interface RunningShop extends Operations {
  readonly url: string;
}

/**
 * The shop that runs on `dataDir` now, if any. A file left by a process that was killed leads nowhere, or to a
 * stranger who does not know the token: then there is no running shop.
 */
export async function findRunningShop(dataDir: string): Promise<RunningShop | undefined> {
  const info = readControlFile(dataDir);
  if (info === undefined || !(await answers(info))) return undefined;
  return createControlClient(info);
}

async function answers(info: ControlInfo): Promise<boolean> {
  try {
    const response = await fetch(new URL('/control/ping', info.opsUrl), {
      headers: { authorization: `Bearer ${info.token}` },
      signal: AbortSignal.timeout(PING_MS),
    });
    return response.status === 204;
  } catch {
    return false;
  }
}

function createControlClient(info: ControlInfo): RunningShop {
  async function send(method: string, path: string, body?: object): Promise<Response> {
    const response = await fetch(new URL(`/control${path}`, info.opsUrl), {
      method,
      headers: { authorization: `Bearer ${info.token}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch((error: unknown) => {
      throw new CommandError(exitCodes.unavailable, `the running shop at ${info.opsUrl} went away`, {
        cause: error,
      });
    });
    if (response.ok) return response;
    const reason = reasonIn(await response.text());
    throw new CommandError(
      exitCodes.failed,
      `the running shop could not do it (${response.status}): ${reason}`,
    );
  }
  const count = async (path: string, body: object) =>
    ((await (await send('POST', path, body)).json()) as { count: number }).count;

  return {
    url: info.url,
    async *audit() {
      const response = await send('POST', '/audit');
      yield* readFindings(Readable.fromWeb(response.body!));
    },
    async *backup() {
      const response = await send('POST', '/backup');
      yield* Readable.fromWeb(response.body!) as AsyncIterable<Uint8Array>;
    },
    events: {
      async list(filter) {
        const query = new URLSearchParams({ limit: String(filter.limit) });
        if (filter.state !== undefined) query.set('state', filter.state);
        const response = await send('GET', `/events?${query}`);
        return ((await response.json()) as { data: Awaited<ReturnType<Operations['events']['list']>> }).data;
      },
      retry: (eventId, consumer) => count('/events/retry', { eventId, consumer }),
      skip: (eventId, consumer) => count('/events/skip', { eventId, consumer }),
    },
    keys: {
      async rotate() {
        const response = await send('POST', '/keys/rotate');
        return (await response.json()) as NewKey;
      },
    },
    orders: { rebuild: () => count('/orders/rebuild', {}) },
  };
}

/** What the door answers is `{message}`; a stranger between us and it may answer anything. */
function reasonIn(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message ?? text);
  } catch {
    return text;
  }
}

async function* readFindings(input: Readable): AsyncIterable<Finding> {
  for await (const text of createInterface({ input })) {
    const line = JSON.parse(text) as AuditLine;
    if ('finding' in line) {
      yield line.finding;
    } else if (line.end === 'complete') {
      return;
    } else {
      throw new CommandError(exitCodes.unavailable, `the audit did not finish: ${line.message}`);
    }
  }
  throw new CommandError(exitCodes.unavailable, 'the audit was cut off before its end');
}
