import type { Registry } from 'prom-client';
import type { RunOutcome } from '../jobs/jobs.ts';
import type { SagaEnd } from '../saga/journal.ts';
import { platformMetrics } from './catalogue.ts';
import { counterOf, histogramOf } from './instruments.ts';

/** What is counted of a module's work in this process. */
export interface ModuleMetrics {
  /** A try to deliver one of its events. */
  tried(consumer: string, outcome: 'done' | 'failed' | 'parked'): void;
  /** An event of another module that had its effect here. */
  handled(type: string, lagSeconds: number): void;
  sagaEnded(saga: string, outcome: SagaEnd, seconds: number): void;
  /** A run of a job or a schedule; no name for a job that no version here knows. */
  ran(name: string | undefined, outcome: RunOutcome): void;
}

/** What a module may be counted under: all that its code names. */
export interface ModuleNames {
  /** The modules that handle its events. */
  readonly consumers: readonly string[];
  /** The types of event that it handles. */
  readonly consumes: readonly string[];
  readonly sagas: readonly string[];
  /** Its kinds of jobs, and its schedules. */
  readonly runs: readonly string[];
}

/** Counts in `registry`, under the module's name. */
export function createModuleMetrics(registry: Registry, module: string): ModuleMetrics {
  const deliveries = counterOf(registry, platformMetrics.deliveries);
  const lag = histogramOf(registry, platformMetrics.deliveryLag);
  const sagas = histogramOf(registry, platformMetrics.sagaDuration);
  const jobs = counterOf(registry, platformMetrics.jobs);
  return {
    tried: (consumer, outcome) => deliveries.inc({ module, consumer, outcome }),
    handled: (type, seconds) => lag.observe({ module: senderOf(type), consumer: module }, seconds),
    sagaEnded: (saga, outcome, seconds) => sagas.observe({ module, saga, outcome }, seconds),
    ran: (name, outcome) => jobs.inc({ module, job: name ?? 'unknown', outcome }),
  };
}

/**
 * Makes the series of what a worker will count, at zero: of one that appears with its first event nobody sees the
 * rise.
 */
export function beginAtZero(registry: Registry, module: string, names: ModuleNames): void {
  const deliveries = counterOf(registry, platformMetrics.deliveries);
  const lag = histogramOf(registry, platformMetrics.deliveryLag);
  const sagas = histogramOf(registry, platformMetrics.sagaDuration);
  const jobs = counterOf(registry, platformMetrics.jobs);
  for (const consumer of names.consumers) {
    for (const outcome of ['done', 'failed', 'parked']) deliveries.inc({ module, consumer, outcome }, 0);
  }
  for (const type of names.consumes) lag.zero({ module: senderOf(type), consumer: module });
  for (const saga of names.sagas) {
    for (const outcome of ['completed', 'compensated']) sagas.zero({ module, saga, outcome });
  }
  for (const job of names.runs) {
    for (const outcome of ['done', 'retried', 'failed']) jobs.inc({ module, job, outcome }, 0);
  }
}

/** A type's first part names the module that sends it. */
function senderOf(type: string): string {
  return type.slice(0, type.indexOf('.'));
}
