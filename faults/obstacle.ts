import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is in a consumer's way. */
export interface Obstacle {
  readonly consumer: string;
  /** How long it takes over each event; several are handled side by side. */
  readonly handlingMs: number;
  /** One event in so many is poison: it fails at once, whenever it is tried. */
  readonly poisonIn: number;
  /** Events from after this are not poison; RFC 3339. */
  readonly poisonUntil?: string;
}

/**
 * Settings of a process whose consumers meet what the file says from one event to the next; nothing, while it is not
 * there. A process, and not a server that the consumer calls, because the shop's consumers call nobody: their slowness and
 * their bugs are code of their own, and so the obstacle sits where that code would run.
 */
export function obstacleSettings(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${join(import.meta.dirname, 'arm-obstacle.ts')}`, OBSTACLE_FILE: file };
}

/** Undefined takes it out of the way. */
export function placeObstacle(file: string, obstacle: Obstacle | undefined): void {
  // In one go: who reads half of it would find nothing in the way.
  writeFileSync(`${file}.new`, JSON.stringify(obstacle ?? null));
  renameSync(`${file}.new`, file);
}

export function readObstacle(file: string): Obstacle | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) ?? undefined) : undefined;
}

/** Ids end in random digits, so every event is poison with the same likelihood, and stays so. */
export function isPoison(
  event: { readonly id: string; readonly at: string },
  { poisonIn, poisonUntil }: Pick<Obstacle, 'poisonIn' | 'poisonUntil'>,
): boolean {
  if (poisonUntil !== undefined && event.at > poisonUntil) return false;
  return Number.parseInt(event.id.slice(-8), 16) % poisonIn === 0;
}
