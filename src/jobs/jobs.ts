import type { Transaction } from '../database/database.ts';

export interface LineError {
  readonly line: number;
  readonly message: string;
}

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed';
  readonly done: number;
  readonly total: number;
  readonly errors: readonly LineError[];
}

export interface JobRun<Input> {
  readonly id: string;
  readonly input: Input;
  /** Where an earlier run of the same job got to; a job resumes from there. */
  readonly done: number;
  /**
   * Records progress in the transaction that made it, so that a resumed job repeats nothing. Rejects when another
   * worker has taken the job over: then this run must end. Errors are appended up to JOB_ERRORS.
   */
  progress(
    tx: Transaction,
    change: { done: number; total?: number; errors?: readonly LineError[] },
  ): Promise<void>;
}

/**
 * Does the whole job or throws. A throw means "again later", and after JOB_ATTEMPTS the job has failed, unless what
 * it met is `unavailable`, which passes.
 */
export type JobHandler<Input = unknown> = (run: JobRun<Input>) => Promise<void>;

export interface Jobs {
  /** Queues a job in the caller's transaction; a worker starts it after the commit. */
  enqueue(tx: Transaction, job: { id: string; kind: string; input: object; total?: number }): Promise<void>;
  get(id: string): Promise<Job | undefined>;
}

/** Work done again and again by processes with the worker role; safe to run in several at once. */
export interface Schedule {
  readonly name: string;
  readonly everyMs: number;
  run(): Promise<void>;
}

/** How one run of a job or a schedule ended. */
export type RunOutcome = 'done' | 'retried' | 'failed';
