import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database, Transaction } from '../database/database.ts';
import type { Engine } from '../database/engine.ts';
import { sleep } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { openPlatformDatabase } from '../testing/database.ts';
import { createSagaEngine } from './engine.ts';
import { type SagaDefinition, type StepResult, stepDone } from './saga.ts';

const log = pino({ level: 'silent' });

interface Trip {
  readonly fail?: string;
}

/**
 * A saga of two steps that writes down what happens, an ending when it is committed; `answers` decides what each step
 * says, call by call.
 */
function createTrip(answers: { hotel?: (() => StepResult)[]; flight?: (() => StepResult)[] } = {}) {
  const trail: string[] = [];
  const step = (name: 'hotel' | 'flight') => ({
    name,
    async run() {
      trail.push(name);
      return (answers[name]?.shift() ?? (() => stepDone))();
    },
    async undo() {
      trail.push(`undo ${name}`);
    },
  });
  const definition: SagaDefinition<Trip> = {
    name: 'trip',
    steps: [step('hotel'), step('flight')],
    async complete(tx) {
      tx.onCommit(() => trail.push('complete'));
    },
    async turn(_tx, _data, reason) {
      trail.push(`turn ${reason.code}`);
    },
    async compensated(tx, _data, reason) {
      tx.onCommit(() => trail.push(`compensated ${reason.code}`));
    },
  };
  return { definition, trail };
}

const unknown = () => {
  throw new AppError('unavailable', 'timeout', 'no answer');
};
const declined = (): StepResult => ({ state: 'failed', reason: { code: 'declined' } });
const waiting = (): StepResult => ({ state: 'waiting' });

describe('saga engine', () => {
  let engine: Engine;
  let database: Database;

  beforeAll(async () => {
    ({ engine, database } = await openPlatformDatabase());
  });
  afterAll(() => engine.close());

  function createEngine(definition: SagaDefinition<Trip>) {
    const created = createSagaEngine({ database, log });
    created.register([definition]);
    return created;
  }

  async function begin(sagas: ReturnType<typeof createEngine>, definition: SagaDefinition<Trip>) {
    const saga = { id: uuidv7(), subject: uuidv7(), data: {} };
    await database.transaction((tx) => sagas.sagas.start(tx, definition, saga));
    return saga;
  }

  const makeDue = (id: string) => database.rows(sql`update test.saga set due_at = now() where id = ${id}`);

  it('runs the steps in order and completes in one transaction', async () => {
    const { definition, trail } = createTrip();
    const created = createEngine(definition);
    const { id } = await begin(created, definition);
    expect(await created.sagas.settle(id, 1000)).toEqual({ state: 'completed' });
    expect(trail).toEqual(['hotel', 'flight', 'complete']);
    expect(await created.sagas.drive(id)).toEqual({ state: 'completed' });
    expect(trail).toHaveLength(3);
  });

  it('undoes the finished steps backwards when a later one fails', async () => {
    const { definition, trail } = createTrip({ flight: [declined] });
    const created = createEngine(definition);
    const { id } = await begin(created, definition);
    expect(await created.sagas.settle(id, 1000)).toEqual({
      state: 'compensated',
      reason: { code: 'declined' },
    });
    expect(trail).toEqual(['hotel', 'flight', 'turn declined', 'undo hotel', 'compensated declined']);
  });

  it('ends at once when the first step fails, with nothing to undo', async () => {
    const { definition, trail } = createTrip({ hotel: [declined] });
    const created = createEngine(definition);
    const { id } = await begin(created, definition);
    expect((await created.sagas.settle(id, 1000)).state).toBe('compensated');
    expect(trail).toEqual(['hotel', 'turn declined', 'compensated declined']);
  });

  it('undoes the failed step too where it asks for that', async () => {
    const refused = (): StepResult => ({ ...declined(), undo: true }) as StepResult;
    const { definition, trail } = createTrip({ flight: [refused] });
    const created = createEngine(definition);
    const { id } = await begin(created, definition);
    expect((await created.sagas.settle(id, 1000)).state).toBe('compensated');
    const undone = ['turn declined', 'undo flight', 'undo hotel', 'compensated declined'];
    expect(trail).toEqual(['hotel', 'flight', ...undone]);
  });

  it('pauses between sweeps while sagas cannot be written', async () => {
    const { definition } = createTrip();
    const { id } = await begin(createEngine(definition), definition);
    await makeDue(id);
    let writes = 0;
    const full: Database = {
      ...database,
      rows(statement) {
        const isWrite = JSON.stringify(statement.queryChunks).includes('update ');
        if (!isWrite) return database.rows(statement);
        writes += 1;
        return Promise.reject(new Error('no space left on device'));
      },
    };
    const other = createSagaEngine({ database: full, log });
    other.register([definition]);
    other.start();
    await sleep(200);
    await other.stop();
    expect(writes).toBe(1);
    await createEngine(definition).sagas.settle(id, 1000);
  });

  it('runs again from the first step after an unknown outcome', async () => {
    const { definition, trail } = createTrip({ flight: [unknown] });
    const created = createEngine(definition);
    const { id } = await begin(created, definition);
    expect(await created.sagas.drive(id)).toEqual({ state: 'open' });
    await makeDue(id);
    expect(await created.sweep()).toBe(1);
    expect(await created.sagas.drive(id)).toEqual({ state: 'completed' });
    expect(trail).toEqual(['hotel', 'flight', 'hotel', 'flight', 'complete']);
  });

  it('turns back after the deadline when the outcome stays unknown, and undoes the unknown step too', async () => {
    const { definition, trail } = createTrip({ flight: [unknown] });
    const created = createEngine(definition);
    const { id } = await begin(created, definition);
    await database.rows(sql`update test.saga set deadline_at = now() where id = ${id}`);
    expect(await created.sagas.drive(id)).toEqual({ state: 'compensated', reason: { code: 'abandoned' } });
    expect(trail).toEqual([
      'hotel',
      'flight',
      'turn abandoned',
      'undo flight',
      'undo hotel',
      'compensated abandoned',
    ]);
  });

  it('undoes all steps of a saga that is given up, since an earlier driver may have got further', async () => {
    const done = (): StepResult => stepDone;
    const { definition, trail } = createTrip({ hotel: [done, unknown], flight: [done] });
    const created = createEngine({
      ...definition,
      complete: () => Promise.reject(new Error('power cut')),
    });
    const { id } = await begin(created, definition);
    expect(await created.sagas.drive(id)).toEqual({ state: 'open' });
    await makeDue(id);
    await database.rows(sql`update test.saga set deadline_at = now() where id = ${id}`);
    expect((await created.sagas.drive(id)).state).toBe('compensated');
    const undone = ['turn abandoned', 'undo flight', 'undo hotel', 'compensated abandoned'];
    expect(trail).toEqual(['hotel', 'flight', 'hotel', ...undone]);
  });

  it('waits for an answer that comes by itself, and goes on when it is woken', async () => {
    const { definition, trail } = createTrip({ flight: [waiting] });
    const created = createEngine(definition);
    const { id, subject } = await begin(created, definition);
    expect(await created.sagas.settle(id, 1000, { untilWaiting: true })).toEqual({ state: 'waiting' });
    expect(await created.sweep()).toBe(0);
    await database.transaction((tx) => created.sagas.wake(tx, subject));
    expect(await created.sagas.settle(id, 1000)).toEqual({ state: 'completed' });
    expect(trail).toEqual(['hotel', 'flight', 'hotel', 'flight', 'complete']);
  });

  it('does not miss an answer that comes while the step still says that it waits', async () => {
    const wakeUp = Promise.withResolvers<() => Promise<void>>();
    const { definition } = createTrip();
    const steps = [
      definition.steps[0]!,
      {
        name: 'flight',
        runs: 0,
        async run(): Promise<StepResult> {
          this.runs += 1;
          if (this.runs > 1) return stepDone;
          await (await wakeUp.promise)();
          return { state: 'waiting' };
        },
      },
    ];
    const eager = { ...definition, steps };
    const created = createEngine(eager);
    const { id, subject } = await begin(created, eager);
    wakeUp.resolve(() => database.transaction((tx) => created.sagas.wake(tx, subject)));
    expect(await created.sagas.settle(id, 2000)).toEqual({ state: 'completed' });
  });

  it('refuses a second open saga of one subject, and allows one after the first has ended', async () => {
    const { definition } = createTrip();
    const created = createEngine(definition);
    const { id, subject } = await begin(created, definition);
    const second = { id: uuidv7(), subject, data: {} };
    const start = () =>
      database.transaction((tx: Transaction) => created.sagas.start(tx, definition, second));
    await expect(start()).rejects.toMatchObject({ code: 'saga_open' });
    await created.sagas.settle(id, 1000);
    await start();
    expect(await created.sagas.settle(second.id, 1000)).toEqual({ state: 'completed' });
    expect(await created.sagas.latest(subject)).toMatchObject({ id: second.id });
  });

  it('refuses the late completion of a driver whose saga was turned back meanwhile', async () => {
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const { definition, trail } = createTrip();
    const slow = {
      ...definition,
      steps: [
        {
          ...definition.steps[0]!,
          async run() {
            reached.resolve();
            await goOn.promise;
            return stepDone;
          },
        },
      ],
    };
    const created = createEngine(slow);
    const { id, subject } = await begin(created, slow);
    const driving = created.sagas.drive(id);
    await reached.promise;
    expect(await created.sagas.turnBack(subject, { code: 'cancelled' })).toBe(id);
    goOn.resolve();
    await driving;
    expect(await created.sagas.settle(id, 1000)).toEqual({
      state: 'compensated',
      reason: { code: 'cancelled' },
    });
    expect(trail).toEqual(['turn cancelled', 'undo hotel', 'compensated cancelled']);
  });

  it('tells what its end had to tell, once and only to who drove it there', async () => {
    const { definition } = createTrip();
    const telling = { ...definition, complete: async () => 'bon voyage' };
    const created = createEngine(telling);
    const { id } = await begin(created, telling);
    expect(await created.sagas.settle(id, 1000)).toEqual({ state: 'completed', told: 'bon voyage' });
    expect(await created.sagas.settle(id, 1000)).toEqual({ state: 'completed' });
  });

  it('is finished by the sweeper of another process when its own is gone', async () => {
    const { definition, trail } = createTrip();
    const { id } = await begin(createEngine(definition), definition);
    const other = createEngine(definition);
    expect(await other.sweep()).toBe(0);
    await other.freeLeases();
    expect(await other.sweep()).toBe(1);
    expect(await other.sagas.drive(id)).toEqual({ state: 'completed' });
    expect(trail.filter((entry) => entry === 'complete')).toHaveLength(1);
  });

  it('tries an undo again until it succeeds', async () => {
    let failures = 2;
    const { definition } = createTrip({ flight: [declined] });
    const stubborn = {
      ...definition,
      steps: [
        {
          ...definition.steps[0]!,
          async undo() {
            if (failures-- > 0) throw new AppError('unavailable', 'timeout', 'no answer');
          },
        },
        definition.steps[1]!,
      ],
    };
    const created = createEngine(stubborn);
    const { id } = await begin(created, stubborn);
    expect((await created.sagas.drive(id)).state).toBe('open');
    await makeDue(id);
    expect((await created.sagas.drive(id)).state).toBe('open');
    await makeDue(id);
    expect((await created.sagas.drive(id)).state).toBe('compensated');
  });
});
