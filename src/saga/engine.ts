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

  /** Where the saga stands after it; undefined when somebody else has taken it over. */
  async function driveHeld(saga: HeldSaga): Promise<SagaOutcome | undefined> {
    const heartbeat = setInterval(() => {
      journal
        .renew(saga)
        .catch((error: unknown) => log.warn({ err: error, sagaId: saga.id }, 'lease not renewed'));
    }, SAGA_LEASE_MS / 3);
    try {
      return await (saga.state === 'running' ? goForward(saga) : goBack(saga));
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      return undefined;
    } finally {
      clearInterval(heartbeat);
    }
  }

  async function goForward(saga: HeldSaga): Promise<SagaOutcome> {
    const definition = definitionOf(saga);
    let index = 0;
    try {
      for (; index < definition.steps.length; index += 1) {
        const result = await runStep(definition.steps[index]!, saga.data);
        if (result.state === 'failed') {
          return await turn(saga, result.reason, result.undo ? index : index - 1);
        }
        if (result.state === 'waiting') {
          return (await journal.letGo(saga, 'woken')) ? { state: 'waiting' } : await giveUp(saga);
        }
      }
      const told = await endingTransaction(saga)((tx) =>
        ending(tx, saga, 'completed', () => definition.complete(tx, saga.data)),
      );
      return { state: 'completed', told };
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      const step = definition.steps[index]?.name ?? 'complete';
      logFailure(error, saga, step);
      const retryMs = backoffMs(saga.attempts, SAGA_BACKOFF_MS, SAGA_BACKOFF_MAX_MS);
      return (await journal.letGo(saga, { retryMs })) ? { state: 'open' } : await giveUp(saga);
    }
  }

  /**
   * Turns back a saga whose deadline has passed. All its steps are undone and not just those that this driver ran:
   * one before it may have got further, or be stopped in the middle of a later step.
   */
  async function giveUp(saga: HeldSaga): Promise<SagaOutcome> {
    return await turn(saga, { code: ABANDONED }, definitionOf(saga).steps.length - 1);
  }

  /** Writes down that the saga turns back, then undoes from step `last` to the first. */
  async function turn(saga: HeldSaga, reason: SagaReason, last: number): Promise<SagaOutcome> {
    const definition = definitionOf(saga);
    const turned = await database.transaction(async (tx) => {
      const held = await journal.turn(tx, saga, reason, last);
      if (!held) throw new LeaseLost();
      await definition.turn?.(tx, saga.data, reason);
      if (last >= 0) return { held };
      // Nothing to undo: the decision and the end are one commit.
      return {
        told: await ending(tx, held, 'compensated', () => definition.compensated(tx, saga.data, reason)),
      };
    });
    if (turned.held) return await goBack(turned.held);
    return { state: 'compensated', reason, told: turned.told };
  }

  async function goBack(saga: HeldSaga): Promise<SagaOutcome> {
    const definition = definitionOf(saga);
    const reason = saga.reason ?? { code: ABANDONED };
    let index = Math.min(saga.step, definition.steps.length - 1);
    try {
      for (; index >= 0; index -= 1) await undoStep(definition.steps[index], saga.data, reason);
      const told = await database.transaction((tx) =>
        ending(tx, saga, 'compensated', () => definition.compensated(tx, saga.data, reason)),
      );
      return { state: 'compensated', reason, told };
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      logFailure(error, saga, `undo ${definition.steps[index]?.name ?? 'end'}`);
      await journal.putOff(saga, backoffMs(saga.attempts, SAGA_BACKOFF_MS, SAGA_BACKOFF_MAX_MS));
      return { state: 'open' };
    }
  }

  /** On its first try nobody else drives the saga, nor holds what it ends with: it may share its commit with others. */
  function endingTransaction(saga: HeldSaga): Database['transaction'] {
    return saga.attempts === 0 ? database.sharedTransaction : database.transaction;
  }

  /** Ends the saga along with `work`, and gives what that tells: neither waits for the other's answer. */
  async function ending(
    tx: Transaction,
    saga: HeldSaga,
    outcome: SagaEnd,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const [seconds, told] = await Promise.all([endOf(tx, saga, outcome), work()]);
    tx.onCommit(() => options.onEnd?.(saga.name, outcome, seconds));
    return told;
  }

  async function endOf(tx: Transaction, saga: HeldSaga, outcome: SagaEnd): Promise<number> {
    const seconds = await journal.end(tx, saga, outcome);
    if (seconds === undefined) throw new LeaseLost();
    return seconds;
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
      const reached = await driveInSpan(saga, () => driveHeld(saga));
      changed(id);
      if (reached) return reached;
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

  /** The same for whoever waits no longer than `waitMs`: then it is `open`, and goes on. */
  async function driveFor(id: string, waitMs: number): Promise<SagaOutcome> {
    const { promise, resolve } = Promise.withResolvers<SagaOutcome>();
    const late = setTimeout(() => resolve({ state: 'open' }), waitMs);
    void drive(id).then(resolve);
    const outcome = await promise;
    clearTimeout(late);
    return outcome;
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
        const outcome = await driveFor(id, leftMs);
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
