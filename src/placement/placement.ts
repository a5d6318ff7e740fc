import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { listAssets, readAsset } from '../assets.ts';
import { ConfigError } from '../config.ts';

const folder = 'deploy/placements';

// Which names, numbers and modules are right is said by `placementProblems`, so that all faults come at once.
const processSchema = z.strictObject({
  modules: z.union([z.literal('all'), z.array(z.string())]),
  roles: z.array(z.enum(['http', 'worker'])),
  replicas: z.number().default(1),
  public: z.boolean().default(false),
});
const placementSchema = z.strictObject({
  description: z.string().min(1).max(200),
  databases: z.enum(['shared', 'perModule']).default('shared'),
  peers: z.enum(['http', 'grpc']).default('http'),
  defaults: z.record(z.string(), z.union([z.string(), z.number()]).transform(String)).default({}),
  processes: z.record(z.string(), processSchema),
});

/** One kind of process. */
export interface PlacedProcess {
  readonly name: string;
  /** The modules it hosts: all of the shop, or those; none is a pure gateway. */
  readonly modules: 'all' | readonly string[];
  readonly roles: readonly ('http' | 'worker')[];
  /** How many of them run. */
  readonly replicas: number;
  /** Whether people's requests come here. */
  readonly public: boolean;
}

/** Which modules run in which processes: the content of one file in deploy/placements. */
export interface Placement {
  readonly name: string;
  /** One line, for people. */
  readonly description: string;
  /** Whether all modules share the database of DATABASE_URL, or each has one of its own. */
  readonly databases: 'shared' | 'perModule';
  /** How the processes call each other's modules; requests that are passed on are plain HTTP in any case. */
  readonly peers: 'http' | 'grpc';
  /** Settings for every process, by variable, where nobody has set another value. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly processes: readonly PlacedProcess[];
}

/** The names of the placements that come with Banyan, sorted. */
export function placementNames(): string[] {
  return listAssets(folder)
    .filter((file) => extname(file) === '.yaml')
    .map((file) => basename(file, '.yaml'))
    .sort();
}

/**
 * Reads a placement: one of `placementNames`, or a YAML file (whatever has a slash or ends in .yaml or .yml). Throws
 * `ConfigError` when there is none, or when it does not have the form of one; whether it makes sense for a shop is
 * for `placementProblems` to say.
 */
export function readPlacement(nameOrFile: string): Placement {
  if (nameOrFile.includes('/') || /\.ya?ml$/.test(nameOrFile)) {
    return parsePlacement(basename(nameOrFile, extname(nameOrFile)), readText(nameOrFile), nameOrFile);
  }
  const names = placementNames();
  if (!names.includes(nameOrFile)) {
    throw new ConfigError([
      `there is no placement ${nameOrFile}: there are ${names.join(', ')}, or name a .yaml file`,
    ]);
  }
  const file = `${folder}/${nameOrFile}.yaml`;
  return parsePlacement(nameOrFile, readAsset(file).toString(), file);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`]);
  }
}

/** The placement in the text of a file; `source` is how problems name it. Throws `ConfigError` as `readPlacement`. */
export function parsePlacement(name: string, content: string, source: string): Placement {
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(
        ({ pos, code }) => `${source} line ${lines.linePos(pos[0]).line}: not valid YAML (${code})`,
      ),
    );
  }
  const result = placementSchema.safeParse(document.toJS());
  if (!result.success) {
    throw new ConfigError(
      result.error.issues.map(
        ({ path, message }) => `${[source, path.join('.')].filter(Boolean).join(': ')}: ${message}`,
      ),
    );
  }
  const { processes, ...rest } = result.data;
  return {
    name,
    ...rest,
    processes: Object.entries(processes).map(([process, placed]) => ({ name: process, ...placed })),
  };
}
