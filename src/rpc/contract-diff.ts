import { OUTBOX_KEEP_DAYS } from '../limits.ts';
import type { CallShape, JsonShape } from './contract-shape.ts';
import type { EventShape, ModuleShape } from './module-shape.ts';
import { misfits } from './schema-fit.ts';

/** Modules by name, as one release has them. */
export type Release = ReadonlyMap<string, ModuleShape>;

/** One difference between two releases, as far as processes of both can tell. */
export interface ContractChange {
  /** A clause like "payment.charge answers a new error too_big". */
  readonly what: string;
  /** Modules that cannot work with it while processes of both releases run; empty when all can. */
  readonly breaks: readonly string[];
}

/** The same, before it is known whom it concerns. */
interface Difference {
  readonly what: string;
  readonly isBreaking: boolean;
}

const breaking = (what: string): Difference => ({ what, isBreaking: true });
const fitting = (what: string): Difference => ({ what, isBreaking: false });

/**
 * What changed from one release to the next in the modules that both have. Its measure is a rolling replacement,
 * callee before caller and consumer before producer: so callers and consumers of the old release must bear the new
 * one's calls and events, and the new one what was sent before.
 */
export function diffReleases(before: Release, after: Release): ContractChange[] {
  return [...after].flatMap(([module, now]) => {
    const was = before.get(module);
    if (was === undefined) return [];
    return [
      ...pairs(was.calls, now.calls).flatMap(([call, old, young]) =>
        concerning(`${module}.${call}`, diffCall(old, young), callersOf(module, call, before)),
      ),
      ...pairs(was.events, now.events).flatMap(([type, old, young]) =>
        concerning(type, diffEvent(old, young), consumersOf(type, before)),
      ),
      ...concerning(module, diffConsumes(was, now, after), [module]),
      ...concerning(module, diffNeeds(was, now), []),
    ];
  });
}

/** One line a change, those that break somebody first; empty without any. */
export function describeChanges(changes: readonly ContractChange[]): string {
  const lines = changes.map(({ what, breaks }) =>
    breaks.length > 0 ? `BREAKS ${breaks.join(' and ')}: ${what}` : `fits: ${what}`,
  );
  return lines.sort((a, b) => Number(b.startsWith('BREAKS')) - Number(a.startsWith('BREAKS'))).join('\n');
}

/** Events that a module waits for in vain: nobody sends them, or only an older version of what is sent by now. */
export function findUnsent(release: Release): string[] {
  return [...release].flatMap(([module, { consumes }]) =>
    consumes.flatMap((type) => {
      const { events } = producerOf(type, release);
      if (events[type] === undefined) return [`${module} handles ${type}, which no module sends`];
      const newer = Object.keys(events).find((other) => events[other]?.older === type);
      return newer === undefined ? [] : [`${module} handles ${type}, of which only ${newer} is sent by now`];
    }),
  );
}

function diffCall(was: CallShape | undefined, now: CallShape | undefined): Difference[] {
  if (was === undefined) return [fitting('is new; processes not yet replaced do not have it')];
  if (now === undefined) return [breaking('is gone')];
  if (JSON.stringify(was) === JSON.stringify(now)) return [];
  const found: Difference[] = [];
  if (was.kind !== now.kind) found.push(breaking(`was a ${was.kind} and is a ${now.kind}`));
  if (was.key !== now.key) found.push(breaking(`was identified by ${was.key}, and is by ${now.key}`));
  for (const code of without(now.errors, was.errors)) {
    found.push(breaking(`fails with ${code}, which its old callers do not know`));
  }
  for (const code of without(was.errors, now.errors)) found.push(fitting(`fails with ${code} no more`));
  if (was.timeoutMs !== now.timeoutMs) found.push(fitting('has another timeout'));
  found.push(
    ...misfits(was.input, now.input, 'lost').map((why) => breaking(`in old callers' input, ${why}`)),
    ...misfits(now.output, was.output, 'fine').map((why) => breaking(`in its output to old callers, ${why}`)),
    // What the new have before the old: no harm, as callers are replaced last.
    ...misfits(now.input, was.input, 'lost').map((why) =>
      fitting(`in new callers' input to old processes, ${why}`),
    ),
    ...misfits(was.output, now.output, 'lost').map((why) =>
      fitting(`in old processes' output to new callers, ${why}`),
    ),
  );
  return found.length > 0 ? found : [fitting('is written otherwise, and means the same')];
}

function diffEvent(was: EventShape | undefined, now: EventShape | undefined): Difference[] {
  if (was === undefined) return [fitting(`is new${now?.older ? `, and ${now.older} is read as it` : ''}`)];
  if (now === undefined) {
    const until = `${OUTBOX_KEEP_DAYS} days after its last producer was replaced`;
    return [breaking(`is gone, and outboxes may hold it until ${until}`)];
  }
  if (was.older !== undefined && was.older !== now.older)
    return [breaking(`is not what ${was.older} is read as`)];
  if (JSON.stringify(was.data) === JSON.stringify(now.data)) return [];
  const found = [
    ...fitEvents('in events sent before', was.data, now.data, 'lost'),
    ...fitEvents('in new events to old consumers', now.data, was.data, 'fine'),
  ];
  if (found.length > 0) return found;
  const added = misfits(now.data, was.data, 'lost').map((why) =>
    fitting(`in new events to old consumers, ${why}`),
  );
  return added.length > 0 ? added : [fitting('is written otherwise, and means the same')];
}

function fitEvents(where: string, sent: JsonShape, read: JsonShape, unread: 'lost' | 'fine'): Difference[] {
  return misfits(sent, read, unread).map((why) => breaking(`${where}, ${why}`));
}

function diffConsumes(was: ModuleShape, now: ModuleShape, after: Release): Difference[] {
  const read = now.consumes.flatMap((type) => versionsFrom(type, after));
  return [
    ...without(was.consumes, now.consumes).map((type) =>
      read.includes(type)
        ? fitting(`handles ${type} as a newer version`)
        : breaking(`handles ${type} no more, and what was sent before waits for it`),
    ),
    ...without(now.consumes, was.consumes)
      .filter((type) => !was.consumes.some((old) => versionsFrom(type, after).includes(old)))
      .map((type) => fitting(`handles ${type} from now on; what was sent before does not reach it`)),
  ];
}

function diffNeeds(was: ModuleShape, now: ModuleShape): Difference[] {
  const list = ({ needs }: ModuleShape) =>
    Object.entries(needs).flatMap(([need, calls]) => calls.map((call) => `${need}.${call}`));
  return [
    ...without(list(now), list(was)).map((call) =>
      fitting(`calls ${call} from now on; its processes must reach it`),
    ),
    ...without(list(was), list(now)).map((call) => fitting(`calls ${call} no more`)),
  ];
}

function callersOf(module: string, call: string, release: Release): string[] {
  return [...release].filter(([, { needs }]) => needs[module]?.includes(call)).map(([caller]) => caller);
}

/** Who handles an event, as this or as a newer version. */
function consumersOf(type: string, release: Release): string[] {
  return [...release]
    .filter(([, { consumes }]) => consumes.some((newer) => versionsFrom(newer, release).includes(type)))
    .map(([consumer]) => consumer);
}

/** A type of event and its older versions. */
function versionsFrom(type: string, release: Release): string[] {
  const older = producerOf(type, release).events[type]?.older;
  return older === undefined ? [type] : [type, ...versionsFrom(older, release)];
}

function producerOf(type: string, release: Release): Pick<ModuleShape, 'events'> {
  return release.get(type.slice(0, type.indexOf('.'))) ?? { events: {} };
}

/** What breaks nobody that is there is no break. */
function concerning(
  name: string,
  differences: readonly Difference[],
  concerned: readonly string[],
): ContractChange[] {
  return differences.map(({ what, isBreaking }) => ({
    what: `${name} ${what}`,
    breaks: isBreaking ? [...concerned].sort() : [],
  }));
}

function pairs<Value>(
  was: Readonly<Record<string, Value>>,
  now: Readonly<Record<string, Value>>,
): [name: string, was: Value | undefined, now: Value | undefined][] {
  const names = new Set([...Object.keys(was), ...Object.keys(now)]);
  return [...names].map((name) => [name, was[name], now[name]]);
}

function without(list: readonly string[], other: readonly string[]): string[] {
  return list.filter((item) => !other.includes(item));
}
