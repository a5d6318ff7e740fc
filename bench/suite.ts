import type { Profiling } from './profile.ts';

/** One measured number, with what stands beside it. */
export interface Figure {
  /** As `order.c32`. */
  readonly name: string;
  /** The median of the rounds. */
  readonly value: number;
  /** As `orders/s` or `ms`. */
  readonly unit: string;
  /** The lowest and the highest of the rounds. */
  readonly spread?: readonly [number, number];
  /** The median, in the same run, of what it is held against; in the same unit. */
  readonly limit?: number;
  /** Of the value to the limit. */
  readonly ratio?: number;
  /** What the limit is, or whatever else helps to read the number. */
  readonly note?: string;
}

/** What a suite may use. Whatever it starts ends with it, the last one first. */
export interface Bench {
  /** Rounds of each pair that is measured in turn. */
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** Folder for logs and data; removed when the bench ends well. */
  readonly folder: string;
  /** Set when a profile was asked for. */
  readonly profiling: Profiling | undefined;
  /** Says what goes on. */
  say(text: string): void;
  /** Notes a setting for the results: pool sizes, clients and the like. */
  note(setting: string, value: unknown): void;
  /** Notes the version of a server. */
  noteVersion(program: string, version: string): void;
  /** Runs at the end of the suite, however it ends. */
  atEnd(end: () => unknown): void;
}

export interface Suite {
  /** As it is named on the command line. */
  readonly name: string;
  readonly about: string;
  /** Not run unless it is named. */
  readonly onlyNamed?: true;
  /** Rejects when anything it asked for was answered wrongly: such a run has no figures. */
  run(bench: Bench): Promise<Figure[]>;
}
