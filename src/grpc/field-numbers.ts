import committed from './field-numbers.json' with { type: 'json' };
import type { ProtoFile, ProtoMessage } from './proto-model.ts';
import { typeText } from './proto-model.ts';

/** Of one message: what was ever given of its numbers. */
export interface MessageNumbers {
  /** By field: its number and the type that it stands for, as `1 string`. */
  readonly fields: Readonly<Record<string, string>>;
  /** Numbers of fields that are no more, which no field may have again. */
  readonly reserved: readonly number[];
}

/** By the messages' full names. */
export type FieldNumbers = Readonly<Record<string, MessageNumbers>>;

/**
 * The numbers that were ever given: what is on the wire means the same for as long as anybody may send it. Written by
 * `proto-files.test.ts`, never by hand.
 */
export const fieldNumbers = committed as FieldNumbers;

/** The numbers of these files, with all that were given before. */
export function numbersOf(files: readonly ProtoFile[], before: FieldNumbers): FieldNumbers {
  const after = new Map(Object.entries(before));
  const note = ({ fullName, fields, reserved, nested }: ProtoMessage): void => {
    after.set(fullName, {
      fields: Object.fromEntries(fields.map((field) => [field.name, `${field.number} ${typeText(field)}`])),
      reserved,
    });
    nested.forEach(note);
  };
  for (const { messages } of files) messages.forEach(note);
  return Object.fromEntries([...after].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The number in `1 string`. */
export function numberIn(entry: string): number {
  return Number.parseInt(entry, 10);
}
