import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { endWithProcess } from './end-with-process.ts';
import { findFreePort } from './free-port.ts';
import { createServerFolder } from './server-folder.ts';
import { createServerProcess } from './server-process.ts';

/** One series of a query's answer. */
export interface PromSeries {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value as text. */
  readonly value: readonly [number, string];
}

/** A Prometheus of our own. */
export interface PrometheusServer {
  /** Evaluates an expression as of now. Rejects with what Prometheus finds wrong with it. */
  query(expression: string): Promise<PromSeries[]>;
  /** The label sets of all series of a metric. */
  series(metric: string): Promise<Readonly<Record<string, string>>[]>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Starts Prometheus on 127.0.0.1 with this configuration. Rejects where there is none to start. */
export async function startPrometheus(configuration: object): Promise<PrometheusServer> {
  const folder = await createServerFolder();
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const file = join(folder, 'prometheus.yml');
  const release = endWithProcess(() => {
    server.signal('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const server = createServerProcess({
    name: 'Prometheus',
    command: 'prometheus',
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    folder,
    isReady: async () =>
      await fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
  });
  async function stop() {
    await server.end('SIGTERM');
    release();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  async function ask(path: string, parameters: Record<string, string>) {
    const response = await fetch(`${url}/api/v1/${path}`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    const answer = (await response.json()) as { status: string; error?: string; data?: unknown };
    if (answer.status !== 'success') throw new Error(`${Object.values(parameters)}: ${answer.error}`);
    return answer.data;
  }
  try {
    await writeFile(file, stringify(configuration));
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    query: async (query) => ((await ask('query', { query })) as { result: PromSeries[] }).result,
    series: async (metric) => (await ask('series', { 'match[]': metric })) as Record<string, string>[],
    stop,
  };
}

/** Whether this machine has one; npm has none to bring. */
export async function hasPrometheus(): Promise<boolean> {
  return await promisify(execFile)('prometheus', ['--version'], { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}
