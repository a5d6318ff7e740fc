import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent, type EventType } from '../events/event.ts';
import { type CallSpec, command, defineContract, query, uses } from './contract.ts';
import { describeChanges, diffReleases, findUnsent, type Release } from './contract-diff.ts';
import { moduleShape } from './module-shape.ts';

const input = z.object({ id: z.uuid(), size: z.enum(['s', 'm']), count: z.int().max(10) });
const output = z.object({ state: z.enum(['open', 'closed']), note: z.string().nullable() });
const base = query({ input, output, errors: ['gone'] });
const made = defineEvent('shelf.made.v1', z.object({ id: z.uuid(), n: z.int().optional() }));

interface Shelf {
  readonly calls?: Readonly<Record<string, CallSpec>>;
  readonly events?: readonly EventType[];
  /** What the event's consumer handles. */
  readonly consumes?: readonly string[];
}

/** A shop of a shelf, a buyer who calls `shelf.look` alone, and a clerk who handles its events. */
function release({ calls = { look: base, unused: base }, events = [made], consumes }: Shelf = {}): Release {
  const shelf = defineContract('shelf', { calls });
  const clerk = defineContract('clerk', { calls: {}, consumes: consumes ?? ['shelf.made.v1'] });
  const buyer = defineContract('buyer', { calls: {}, needs: ['shelf'] });
  return new Map([
    ['shelf', moduleShape({ contract: shelf, needs: {} }, events)],
    ['clerk', moduleShape({ contract: clerk, needs: {} }, [])],
    ['buyer', moduleShape({ contract: buyer, needs: { shelf: uses(shelf, 'look') } }, [])],
  ]);
}

function changes(after: Shelf, before: Shelf = {}): string {
  return describeChanges(diffReleases(release(before), release(after)));
}

const withLook = (look: CallSpec) => changes({ calls: { look, unused: base } });
const withInput = (changed: z.ZodType) => withLook(query({ input: changed, output, errors: ['gone'] }));
const withOutput = (changed: z.ZodType) => withLook(query({ input, output: changed, errors: ['gone'] }));
const withEvent = (data: z.ZodType) => changes({ events: [defineEvent('shelf.made.v1', data)] });

describe('a call', () => {
  it('that did not change is not told of, whatever the order of its members', () => {
    const turned = input.pick({ count: true, size: true, id: true });
    expect(withInput(turned)).toBe('');
  });

  it.each([
    ['a required member', input.extend({ more: z.string() }), 'more is absent, but is required'],
    ['a member less', input.omit({ size: true }), 'size is sent, but is not read'],
    ['a member refused', z.strictObject(input.omit({ size: true }).shape), 'size is sent, but is refused'],
    ['a value less', input.extend({ size: z.enum(['s']) }), 'size may be "m", but must be one of "s"'],
    [
      'a lower limit',
      input.extend({ count: z.int().max(9) }),
      'count may be as high as 10, but must be at most 9',
    ],
    ['another type', input.extend({ count: z.string() }), 'count may be an integer, but must be a string'],
    ['another format', input.extend({ id: z.email() }), 'id has the format uuid, but must have email'],
  ])('breaks who makes it by %s of its input', (_what, changed, why) => {
    expect(withInput(changed)).toContain(`BREAKS buyer: shelf.look in old callers' input, ${why}`);
  });

  it.each([
    ['an optional member', input.extend({ more: z.string().optional() }), 'more is sent, but is not read'],
    ['a member with a default', input.extend({ page: z.int().default(1) }), 'page is sent, but is not read'],
    ['a member less to give', input.partial({ size: true }), 'size may be absent, but is required'],
    ['a value more', input.extend({ size: z.enum(['s', 'm', 'l']) }), 'size may be "l", but must be one of'],
    ['a higher limit', input.extend({ count: z.int().max(11) }), 'count may be as high as 11, but must be'],
    ['null', input.extend({ size: z.enum(['s', 'm']).nullable() }), 'size may be null, but must be a string'],
  ])('fits with %s of its input', (_what, changed, why) => {
    expect(withInput(changed)).toContain(`fits: shelf.look in new callers' input to old processes, ${why}`);
    expect(withInput(changed)).not.toContain('BREAKS');
  });

  it.each([
    ['a member less', output.omit({ note: true }), 'note is absent, but is required'],
    ['a member that may be absent', output.partial({ note: true }), 'note may be absent, but is required'],
    [
      'a value more',
      output.extend({ state: z.enum(['open', 'closed', 'lost']) }),
      'state may be "lost", but must',
    ],
    [
      'null',
      output.extend({ state: z.enum(['open', 'closed']).nullable() }),
      'state may be null, but must be',
    ],
    [
      'another type',
      output.extend({ note: z.array(z.string()) }),
      'note may be an array, which is not taken',
    ],
  ])('breaks who makes it by %s of its output', (_what, changed, why) => {
    expect(withOutput(changed)).toContain(`BREAKS buyer: shelf.look in its output to old callers, ${why}`);
  });

  it.each([
    ['a member more', output.extend({ more: z.int() }), 'more is absent, but is required'],
    ['a value less', output.extend({ state: z.enum(['open']) }), 'state may be "closed", but must be'],
    ['no null', output.extend({ note: z.string() }), 'note may be null, but must be a string'],
  ])('fits with %s of its output', (_what, changed, why) => {
    expect(withOutput(changed)).toContain(`fits: shelf.look in old processes' output to new callers, ${why}`);
    expect(withOutput(changed)).not.toContain('BREAKS');
  });

  it('breaks who makes it by being gone, and nobody where nobody makes it', () => {
    expect(changes({ calls: { unused: base } })).toBe('BREAKS buyer: shelf.look is gone');
    expect(changes({ calls: { look: base } })).toBe('fits: shelf.unused is gone');
    expect(changes({ calls: { look: base, unused: base, more: base } })).toContain('fits: shelf.more is new');
  });

  it('breaks who makes it by an error more, another kind or another key', () => {
    const rest = { input, output, errors: ['gone'] };
    expect(withLook({ ...base, errors: ['gone', 'late'] })).toContain(
      'BREAKS buyer: shelf.look fails with late',
    );
    expect(withLook({ ...base, errors: [] })).toBe('fits: shelf.look fails with gone no more');
    const byId = command({ key: 'id', ...rest });
    expect(withLook(byId)).toContain('BREAKS buyer: shelf.look was a query and is a command');
    const byCount = { look: command({ key: 'count', ...rest }), unused: base };
    const before = { calls: { look: byId, unused: base } };
    expect(changes({ calls: byCount }, before)).toContain('was identified by id, and is by count');
    expect(withLook({ ...base, timeoutMs: 5 })).toBe('fits: shelf.look has another timeout');
  });

  it('is compared inside lists, records, unions and tuples', () => {
    const deep = (end: z.ZodType) =>
      z.object({
        list: z.array(z.record(z.string(), z.union([z.tuple([end, z.null()]), z.boolean()]))),
      });
    const before = { calls: { look: query({ input: deep(z.int()), output, errors: [] }) } };
    const looking = (end: z.ZodType) => ({
      calls: { look: query({ input: deep(end), output, errors: [] }) },
    });
    expect(changes(looking(z.string()), before)).toContain(
      'list[].*[0] may be an integer, but must be a string',
    );
    expect(changes(looking(z.number()), before)).not.toContain('BREAKS');
  });
});

describe('an event', () => {
  it('may gain a member that may be absent', () => {
    const added = z.object({ ...made.data.shape, by: z.string().default('shop') });
    expect(withEvent(added)).toBe(
      'fits: shelf.made.v1 in new events to old consumers, by is sent, but is not read',
    );
  });

  it.each([
    ['a required member', made.data.extend({ by: z.string() }), 'in events sent before, by is absent'],
    ['a member less', made.data.omit({ n: true }), 'in events sent before, n is sent, but is not read'],
    ['a member required by now', made.data.required(), 'in events sent before, n may be absent'],
    [
      'a wider member',
      made.data.extend({ id: z.string() }),
      'in new events to old consumers, id has the format',
    ],
  ])('breaks its consumers by %s', (_what, data, why) => {
    expect(withEvent(data)).toContain(`BREAKS clerk: shelf.made.v1 ${why}`);
  });

  it('has a newer version beside it, which its consumers handle instead', () => {
    const v2 = defineEvent('shelf.made.v2', z.object({ sku: z.string() }), {
      from: made,
      upcast: ({ id }) => ({ sku: id }),
    });
    const grown = { events: [v2], consumes: ['shelf.made.v2'] };
    expect(changes(grown).split('\n')).toEqual([
      'fits: shelf.made.v2 is new, and shelf.made.v1 is read as it',
      'fits: clerk handles shelf.made.v1 as a newer version',
    ]);
    const alone = { ...grown, events: [defineEvent('shelf.made.v2', v2.data)] };
    expect(changes(alone)).toContain('BREAKS clerk: shelf.made.v1 is gone, and outboxes may hold it until');
    expect(changes(alone, grown)).toContain('BREAKS clerk: shelf.made.v1 is gone');
    expect(findUnsent(release(grown))).toEqual([]);
    expect(findUnsent(release({ ...grown, consumes: ['shelf.made.v1'] }))).toEqual([
      'clerk handles shelf.made.v1, of which only shelf.made.v2 is sent by now',
    ]);
  });

  it('that a consumer drops is left waiting, and one that nobody sends is waited for', () => {
    expect(changes({ consumes: [] })).toContain('BREAKS clerk: clerk handles shelf.made.v1 no more');
    expect(changes({}, { consumes: [] })).toContain('fits: clerk handles shelf.made.v1 from now on');
    expect(findUnsent(release({ events: [] }))).toEqual([
      'clerk handles shelf.made.v1, which no module sends',
    ]);
  });
});

it('names the calls that a module makes from now on', () => {
  const after = new Map(release());
  const shelf = defineContract('shelf', { calls: { look: base, unused: base } });
  after.set('clerk', { ...after.get('clerk')!, needs: { shelf: ['unused'] } });
  after.set('buyer', moduleShape({ contract: shelf, needs: {} }, []));
  const told = describeChanges(diffReleases(release(), after));
  expect(told).toContain('fits: clerk calls shelf.unused from now on');
  expect(told).toContain('fits: buyer calls shelf.look no more');
});
