import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UpFile } from '../src/commands/up-file.ts';
import { sleep } from '../src/deadline.ts';
import { endWithProcess } from '../src/testing/servers/end-with-process.ts';
import { createDatabases, type Databases } from './databases.ts';
import { splitOverGrpc } from './placements.ts';

/** The command that people run. */
const banyan = join(import.meta.dirname, '../bin/banyan');
const placementsFolder = join(import.meta.dirname, '../deploy/placements');
/** A dozen processes that start on two cores at once. */
const READY_MS = 120_000;
const END_MS = 60_000;
const LOOK_MS = 100;
const LOG_LINES = 30;
/** Without most of the stacks of errors. */
const LOG_WIDTH = 400;

/** A shop that runs in a placement, on databases of its own. */
export interface PlacementRun {
  /** Of the public port. */
  readonly url: string;
  readonly databases: Databases;
  readonly mailFolder: string;
  readonly admin: { readonly email: string; readonly password: string };
  readonly secrets: { readonly webhook: string; readonly service: string };
  /** Runs another command of `banyan` on the same shop. */
  command(...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
  /** The last lines that its processes printed. */
  logTail(): string;
  /** Stops it in good order and removes its databases. Rejects when its processes end with any code but 0. */
  stop(): Promise<void>;
}

/** Starts a placement, a committed one or `splitOverGrpc`, with `banyan up`, and resolves when all of its processes are ready. */
export async function startPlacement(
  name: string,
  options: { readonly postgresUrl: string; readonly redisUrl: string; readonly folder: string },
): Promise<PlacementRun> {
  const folder = join(options.folder, name);
  mkdirSync(join(folder, 'mail'), { recursive: true });
  const databases = await createDatabases(
    options.postgresUrl,
    name === 'split-databases' ? 'perModule' : 'shared',
  );
  const admin = { email: 'admin@example.com', password: 'correct horse battery' };
  const secrets = { webhook: randomBytes(24).toString('hex'), service: randomBytes(24).toString('hex') };
  const env = {
    PATH: process.env.PATH ?? '',
    ...databases.settings,
    REDIS_URL: options.redisUrl,
    DATA_DIR: folder,
    HOST: '127.0.0.1',
    // By it keys in Redis have a prefix that no other run has.
    SERVICE_SECRET: secrets.service,
    PAYMENT_WEBHOOK_SECRET: secrets.webhook,
    ADMIN_EMAIL: admin.email,
    ADMIN_PASSWORD: admin.password,
    // On, so that its headers are seen, and never reached.
    RATE_LIMIT: '1000000',
    CORS_ORIGINS: 'https://shop.example',
    LOG_LEVEL: 'warn',
  };
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'a');
  const child = spawn(banyan, ['up', placementFor(name, options.folder), '--port', '0', '--ops-port', '0'], {
    env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const release = endWithProcess(() => child.kill('SIGKILL'));
  const logTail = () =>
    readFileSync(logFile, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-LOG_LINES)
      .map((line) => line.slice(0, LOG_WIDTH))
      .join('\n');

  async function stop(): Promise<void> {
    const code = await end(child);
    release();
    await databases.drop();
    if (code !== 0) throw new Error(`banyan up ${name} ended with ${code}:\n${logTail()}`);
  }

  let url: string;
  try {
    url = await ready(child, folder, logTail);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return {
    url,
    databases,
    mailFolder: join(folder, 'mail'),
    admin,
    secrets,
    command(...args) {
      const ending = Promise.withResolvers<{ code: number; out: string; err: string }>();
      execFile(banyan, args, { env }, (error, out, err) =>
        ending.resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
      );
      return ending.promise;
    },
    logTail,
    stop,
  };
}

/** What `banyan up` takes for it: a name, or a file that is made for it. */
function placementFor(name: string, folder: string): string {
  if (name !== splitOverGrpc) return name;
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `${readFileSync(join(placementsFolder, 'split.yaml'), 'utf8')}peers: grpc\n`);
  return file;
}

/** Undefined until the first process is there. */
function readUpFile(dataDir: string): UpFile | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'up.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Resolves with the public URL once all processes can do real work. */
async function ready(child: ChildProcess, dataDir: string, logTail: () => string): Promise<string> {
  const endsAt = performance.now() + READY_MS;
  for (;;) {
    const up = readUpFile(dataDir);
    if (up !== undefined && Object.values(up.processes).every(({ isReady }) => isReady)) return up.url;
    if (child.exitCode !== null)
      throw new Error(`it ended with ${child.exitCode} before it was ready:\n${logTail()}`);
    if (performance.now() > endsAt) throw new Error(`it was not ready in ${READY_MS} ms:\n${logTail()}`);
    await sleep(LOOK_MS);
  }
}

/** By SIGTERM; SIGKILL when that takes too long. Resolves with the exit code, or null when it was killed. */
async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_MS);
  const [code] = await ended;
  clearTimeout(late);
  return code as number | null;
}
