import { currentContext } from '../context.ts';
import type { Database, Transaction } from '../database/database.ts';
import { backoffMs, sleep } from '../deadline.ts';
import { AppError, invariant, isUnavailable } from '../errors.ts';
import { SAGA_BACKOFF_MAX_MS, SAGA_BACKOFF_MS, SAGA_LEASE_MS, SAGA_SWEEP_MS } from '../limits.ts';
import type { Logger } from '../telemetry/log.ts';
import { formatTrace } from '../telemetry/trace-context.ts';
import { createJournal, type HeldSaga, type SagaBacklog, type SagaEnd } from './journal.ts';
import { ABANDONED, type SagaDefinition, type SagaOutcome, type SagaReason, type Sagas } from './saga.ts';
import { driveInSpan, runStep, undoStep } from './saga-span.ts';

/**
 * How soon `settle` looks again while another process drives the saga, or nobody until its next try; in this process it
 * is told at once. The wait doubles from look to look: hundreds of waiting requests must not be what keeps the
 * database from what they wait for.
 */
const SETTLE_POLL_MS = 100;
const SETTLE_POLL_MAX_MS = 1_000;

/** The engine as the composition root holds it; modules see only `Sagas`. */
export interface SagaEngine {
  readonly sagas: Sagas;
  /** Makes definitions known; before `sweep` runs. */
  // biome-ignore lint/suspicious/noExplicitAny: each saga has data of its own, which only its steps read.
  register(definitions: readonly SagaDefinition<any>[]): void;
  /** Rises whenever the sweeper gets something done: it has looked for due sagas, or driven one. */
  readonly turns: number;
  /** The sagas that have not ended. */
  backlog(): Promise<SagaBacklog>;
  /** Drives every due saga that nobody drives; how many there were. */
  sweep(): Promise<number>;
  start(): void;
  /** Resolves when the sagas being driven here have come to rest. */
  stop(): Promise<void>;
  freeLeases(): Promise<void>;
  /** Deletes journals of sagas that ended long ago. */
  deleteOld(): Promise<void>;
}

/** Thrown inside an ending transaction to roll it back when another driver has taken the saga over. */
class LeaseLost extends Error {}

/**
 * Runs one module's sagas. A saga is driven by the request that started it and, after a crash or a failure, by
 * the sweeper. Its journal row carries a lease on the database's clock and a fence, so that of two drivers only
 * the later one can write; the steps themselves are idempotent commands, so running one twice does no harm.
 */
export function createSagaEngine(options: {
  database: Database;
  log: Logger;
  /** Told of each saga that has ended, with its age. */
  onEnd?: (saga: string, outcome: SagaEnd, seconds: number) => void;
}): SagaEngine {
  const { database, log } = options;
  const journal = createJournal(database);
  const definitions = new Map<string, SagaDefinition<object>>();
  /** Started here and not driven yet. */
  const started = new Map<string, HeldSaga>();
  /** Being driven here. */
  const active = new Map<string, Promise<SagaOutcome>>();
  const listeners = new Set<(sagaId: string | undefined) => void>();
  const stopping = new AbortController();
  let sweeper: Promise<void> | undefined;
  let turns = 0;

  /** Tells those who wait for this saga; without an id, all who wait for any. */
  function changed(sagaId?: string): void {
    for (const listener of [...listeners]) listener(sagaId);
  }

  function definitionOf(saga: HeldSaga): SagaDefinition<object> {
    const definition = definitions.get(saga.name);
    invariant(definition, `saga ${saga.name} is defined`);
    return definition;
  }

  async function driveHeld(saga: HeldSaga): Promise<void> {
    const heartbeat = setInterval(() => {
      journal
        .renew(saga)
        .catch((error: unknown) => log.warn({ err: error, sagaId: saga.id }, 'lease not renewed'));
    }, SAGA_LEASE_MS / 3);
    try {
      if (saga.state === 'running') await goForward(saga);
      else await goBack(saga);
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
    } finally {
      clearInterval(heartbeat);
    }
  }

  async function goForward(saga: HeldSaga): Promise<void> {
    const definition = definitionOf(saga);
    let index = 0;
    try {
      for (; index < definition.steps.length; index += 1) {
        const result = await runStep(definition.steps[index]!, saga.data);
        if (result.state === 'failed') {
          return await turn(saga, result.reason, result.undo ? index : index - 1);
        }
        if (result.state === 'waiting') {
          if (!(await journal.letGo(saga, 'woken'))) await giveUp(saga);
          return;
        }
      }
      await database.transaction(async (tx) => {
        await end(tx, saga, 'completed');
        await definition.complete(tx, saga.data);
      });
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      const step = definition.steps[index]?.name ?? 'complete';
      logFailure(error, saga, step);
      const retryMs = backoffMs(saga.attempts, SAGA_BACKOFF_MS, SAGA_BACKOFF_MAX_MS);
      if (await journal.letGo(saga, { retryMs })) return;
      await giveUp(saga);
    }
  }

  /**
   * Turns back a saga whose deadline has passed. All its steps are undone and not just those that this driver ran:
   * one before it may have got further, or be stopped in the middle of a later step.
   */
  async function giveUp(saga: HeldSaga): Promise<void> {
    await turn(saga, { code: ABANDONED }, definitionOf(saga).steps.length - 1);
  }

  /** Writes down that the saga turns back, then undoes from step `last` to the first. */
  async function turn(saga: HeldSaga, reason: SagaReason, last: number): Promise<void> {
    const definition = definitionOf(saga);
    const turned = await database.transaction(async (tx) => {
      const held = await journal.turn(tx, saga, reason, last);
      if (!held) throw new LeaseLost();
      await definition.turn?.(tx, saga.data, reason);
      if (last >= 0) return held;
      // Nothing to undo: the decision and the end are one commit.
      await end(tx, held, 'compensated');
      await definition.compensated(tx, saga.data, reason);
      return undefined;
    });
    if (turned) await goBack(turned);
  }

  async function goBack(saga: HeldSaga): Promise<void> {
    const definition = definitionOf(saga);
    const reason = saga.reason ?? { code: ABANDONED };
    let index = Math.min(saga.step, definition.steps.length - 1);
    try {
      for (; index >= 0; index -= 1) await undoStep(definition.steps[index], saga.data, reason);
      await database.transaction(async (tx) => {
        await end(tx, saga, 'compensated');
        await definition.compensated(tx, saga.data, reason);
      });
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      logFailure(error, saga, `undo ${definition.steps[index]?.name ?? 'end'}`);
      await journal.putOff(saga, backoffMs(saga.attempts, SAGA_BACKOFF_MS, SAGA_BACKOFF_MAX_MS));
    }
  }

  async function end(tx: Transaction, saga: HeldSaga, outcome: SagaEnd): Promise<void> {
    const seconds = await journal.end(tx, saga, outcome);
    if (seconds === undefined) throw new LeaseLost();
    tx.onCommit(() => options.onEnd?.(saga.name, outcome, seconds));
  }

  function logFailure(error: unknown, saga: HeldSaga, step: string): void {
    const fields = { err: error, saga: saga.name, sagaId: saga.id, step, attempts: saga.attempts };
    if (isUnavailable(error)) log.warn(fields, 'saga step is to be tried again');
    else log.error(fields, 'saga step failed unexpectedly and is to be tried again');
  }

  async function driveOnce(id: string): Promise<SagaOutcome> {
    const mine = started.get(id);
    started.delete(id);
    const saga = mine ?? (await journal.lease(id));
    if (saga) {
      await driveInSpan(saga, () => driveHeld(saga));
      changed(id);
    }
    const outcome = await journal.outcome(id);
    invariant(outcome, `saga ${id} exists`);
    return outcome;
  }

  async function drive(id: string): Promise<SagaOutcome> {
    const running = active.get(id);
    if (running) return await running;
    const work = driveOnce(id)
      .catch((error: unknown): SagaOutcome => {
        // The journal could not be written: the lease runs out and the sweeper goes on.
        const passes = isUnavailable(error);
        log[passes ? 'warn' : 'error']({ err: error, sagaId: id }, 'saga could not be driven');
        return { state: 'open' };
      })
      .finally(() => active.delete(id));
    active.set(id, work);
    return await work;
  }

  async function driveDue(): Promise<SagaOutcome[]> {
    const ids = await journal.due();
    turns += 1;
    return await Promise.all(
      ids.map(async (id) => {
        const outcome = await drive(id);
        turns += 1;
        return outcome;
      }),
    );
  }

  async function sweepForEver(): Promise<void> {
    while (!stopping.signal.aborted) {
      const outcomes = await driveDue().catch((error: unknown) => {
        log.error({ err: error }, 'sagas could not be swept');
        return [];
      });
      // Sagas that could not even be leased are still due: only what moved is a reason to look again at once.
      if (outcomes.every(({ state }) => state === 'open')) await sleep(SAGA_SWEEP_MS, stopping.signal);
    }
  }

  async function nextChange(id: string, timeoutMs: number): Promise<void> {
    const told = Promise.withResolvers<void>();
    const timer = setTimeout(told.resolve, timeoutMs);
    const listen = (sagaId: string | undefined) => {
      if (sagaId === undefined || sagaId === id) told.resolve();
    };
    listeners.add(listen);
    await told.promise;
    clearTimeout(timer);
    listeners.delete(listen);
  }

  const sagas: Sagas = {
    async start(tx, definition, saga) {
      const context = currentContext();
      const trace = context ? formatTrace(context) : null;
      const held = await journal.insert(tx, { ...saga, name: definition.name, trace });
      if (!held) {
        throw new AppError('conflict', 'saga_open', `another change of ${saga.subject} is still under way`);
      }
      tx.onCommit(() => started.set(saga.id, held));
    },
    drive,
    async settle(id, timeoutMs, settleOptions = {}) {
      const endsAt = performance.now() + timeoutMs;
      for (let pollMs = SETTLE_POLL_MS; ; pollMs = Math.min(2 * pollMs, SETTLE_POLL_MAX_MS)) {
        const leftMs = Math.max(0, endsAt - performance.now());
        const timer = new AbortController();
        const late = sleep(leftMs, timer.signal).then((): SagaOutcome => ({ state: 'open' }));
        const outcome = await Promise.race([drive(id), late]);
        timer.abort();
        if (outcome.state === 'completed' || outcome.state === 'compensated') return outcome;
        if (leftMs === 0 || (settleOptions.untilWaiting && outcome.state === 'waiting')) return outcome;
        await nextChange(id, Math.min(pollMs, leftMs));
      }
    },
    async wake(tx, subject) {
      await journal.wake(tx, subject);
      tx.onCommit(() => changed());
    },
    async turnBack(subject, reason) {
      return await database.transaction(async (tx) => {
        const saga = await journal.seize(tx, subject, reason);
        if (!saga) return undefined;
        await definitionOf(saga).turn?.(tx, saga.data, reason);
        tx.onCommit(() => changed(saga.id));
        return saga.id;
      });
    },
    latest: (subject) => journal.latest(subject),
  };

  return {
    sagas,
    get turns() {
      return turns;
    },
    backlog: () => journal.backlog(),
    register(added) {
      for (const definition of added) definitions.set(definition.name, definition);
    },
    async sweep() {
      return (await driveDue()).length;
    },
    freeLeases: () => journal.freeLeases(),
    deleteOld: () => journal.deleteOld(),
    start() {
      sweeper = sweepForEver();
    },
    async stop() {
      stopping.abort();
      await sweeper;
      await Promise.all(active.values());
    },
  };
}
