import type { Profiler } from 'node:inspector';

export interface TopFunction {
  readonly name: string;
  /** File and line, the file from the project or its packages. */
  readonly where: string;
  /** Of the time that was not idle, in the function itself. */
  readonly share: number;
}

/** The functions of a CPU profile that took the most time themselves. */
export function topFunctions(profile: Profiler.Profile, count: number): TopFunction[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const deltas = profile.timeDeltas ?? [];
  const times = new Map<string, { name: string; where: string; us: number }>();
  let busyUs = 0;
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const frame = nodes.get(id);
    if (frame === undefined || frame.functionName === '(idle)' || frame.functionName === '(root)') continue;
    // A sample stands for the time until the next one.
    const us = deltas[index + 1] ?? 0;
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    const where = frame.url === '' ? '' : `${shorten(frame.url)}:${frame.lineNumber + 1}`;
    const key = `${name} ${where}`;
    const entry = times.get(key) ?? { name, where, us: 0 };
    entry.us += us;
    times.set(key, entry);
    busyUs += us;
  }
  return [...times.values()]
    .sort((a, b) => b.us - a.us)
    .slice(0, count)
    .map(({ name, where, us }) => ({ name, where, share: us / busyUs }));
}

/** From the package, or from the project's own folder; the bundled shop is one file in `lib`. */
function shorten(url: string): string {
  return url.replace(/^.*\/node_modules\//, 'node_modules/').replace(/^file:.*\/(src|modules|lib)\//, '$1/');
}
