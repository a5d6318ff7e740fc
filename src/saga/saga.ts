import type { Transaction } from '../database/database.ts';

/**
 * What a step came to. `failed` is an answer (declined, no stock): the saga turns back. `waiting` means that the
 * answer comes by itself later, and somebody will call `wake`. An `unavailable` error or a bug is "unknown": the
 * step is run again until the saga's deadline, then the saga turns back and undoes all its steps. With `undo` a failed step is undone like
 * those before it: for a refusal that a late repeat of its command, by a driver that was stopped, might not get.
 */
export type StepResult =
  | { readonly state: 'done' }
  | { readonly state: 'failed'; readonly reason: SagaReason; readonly undo?: true }
  | { readonly state: 'waiting' };

export const stepDone: StepResult = { state: 'done' };

/** Why a saga turned back; JSON, kept in the journal. */
export interface SagaReason {
  readonly code: string;
  readonly [member: string]: unknown;
}

/** The reason when a step's outcome stayed unknown until the deadline. */
export const ABANDONED = 'abandoned';

export interface SagaStep<Data> {
  readonly name: string;
  /**
   * Must be a command that carries the saga's subject as its key: a resumed saga runs again from its first step,
   * and every step that was done before answers as it did then.
   */
  run(data: Data): Promise<StepResult>;
  /** Takes the step back. Does nothing if it never took effect or never ran, and may be run again. */
  undo?(data: Data, reason: SagaReason): Promise<void>;
}

export interface SagaDefinition<Data> {
  readonly name: string;
  readonly steps: readonly SagaStep<Data>[];
  /** In the transaction that ends the saga well, and perhaps in one that rolls back because another driver has. What it resolves with is told to whoever awaits the end here. */
  complete(tx: Transaction, data: Data): Promise<unknown>;
  /** In the transaction that decides to turn back, before any step is undone. */
  turn?(tx: Transaction, data: Data, reason: SagaReason): Promise<void>;
  /** In the transaction that ends the saga after every undo; resolves as `complete` does. */
  compensated(tx: Transaction, data: Data, reason: SagaReason): Promise<unknown>;
}

/** `told` is what the ending transaction had to tell; only where it was driven to its end in this process, just now. */
export type SagaOutcome =
  | { readonly state: 'completed'; readonly told?: unknown }
  | { readonly state: 'compensated'; readonly reason: SagaReason; readonly told?: unknown }
  /** Not ended yet: a step's outcome is unknown, or another process drives it. */
  | { readonly state: 'open' }
  /** Not ended yet: a step waits for an answer that comes by itself. */
  | { readonly state: 'waiting' };

export interface Sagas {
  /**
   * Writes the journal row in the caller's transaction, leased by this process: after the commit the caller must
   * call `drive`. A subject has one open saga at a time: a second is refused with `saga_open` (conflict).
   */
  start<Data extends object>(
    tx: Transaction,
    definition: SagaDefinition<Data>,
    saga: { id: string; subject: string; data: Data },
  ): Promise<void>;
  /**
   * Drives the saga as far as it goes now and tells where it stands. When another driver holds it, tells so at
   * once (`open`). Never rejects for a step's failure.
   */
  drive(id: string): Promise<SagaOutcome>;
  /** Drives or awaits the saga until it ends or `timeoutMs` has passed. With `untilWaiting` returns at `waiting` too. */
  settle(id: string, timeoutMs: number, options?: { untilWaiting?: boolean }): Promise<SagaOutcome>;
  /** Makes the subject's open saga, if any, due now: what it waited for has come. */
  wake(tx: Transaction, subject: string): Promise<void>;
  /**
   * Turns the subject's open and forward-going saga back, whoever drives it: the driver's fence is spent, so its
   * own completion is refused. Returns the saga's id, or undefined when none was going forward.
   */
  turnBack(subject: string, reason: SagaReason): Promise<string | undefined>;
  /** The subject's newest saga, open or ended. */
  latest(subject: string): Promise<{ id: string; name: string; outcome: SagaOutcome } | undefined>;
}
