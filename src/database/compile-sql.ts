import { Column, Name, Param, SQL, StringChunk, Table } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';

/** A statement as it is sent: its text with `$1`, `$2` and so on, and what stands for them. */
export interface CompiledSql {
  readonly text: string;
  readonly params: readonly unknown[];
}

export const dialect = new PgDialect();

/**
 * Gives what drizzle's own dialect gives, for less: drizzle asks each part for all the classes that it may be of, and
 * makes some objects for it, each time that the statement runs. Here the parts that our statements are made of are told
 * by their constructor; a statement that has any other is left to drizzle.
 */
export function compileSql(statement: SQL): CompiledSql {
  const compiled = { text: '', params: [] };
  if (append(statement, compiled)) return compiled;
  const { sql, params } = dialect.sqlToQuery(statement);
  return { text: sql, params };
}

/** Returns false where it does not know a part; what it has appended by then is of no use. */
function append(statement: SQL, to: { text: string; params: unknown[] }): boolean {
  if (inlinesParams(statement)) return false;
  for (const part of statement.queryChunks as readonly unknown[]) {
    if (part === undefined) continue;
    if (part === null || typeof part !== 'object') {
      // A function may be an enum of drizzle's, which is a name in the text.
      if (typeof part === 'function') return false;
      appendParam(part, to);
      continue;
    }
    switch (part.constructor) {
      case StringChunk: {
        const { value } = part as StringChunk;
        to.text += value.length === 1 ? value[0] : value.join('');
        break;
      }
      case SQL:
        if (!append(part as SQL, to)) return false;
        break;
      case Name:
        to.text += dialect.escapeName((part as Name).value);
        break;
      case Param: {
        const { value, encoder } = part as Param;
        const mapped: unknown = value === null ? null : encoder.mapToDriverValue(value);
        // A value may become a piece of SQL, or a placeholder.
        if (mapped !== null && typeof mapped === 'object') return false;
        appendParam(mapped, to);
        break;
      }
      case Date:
        appendParam(part, to);
        break;
      default: {
        if (!(part instanceof Table || part instanceof Column)) return false;
        to.text += nameOf(part);
      }
    }
  }
  return true;
}

function appendParam(value: unknown, to: { text: string; params: unknown[] }): void {
  to.params.push(value);
  to.text += `$${to.params.length}`;
}

/** Drizzle keeps it to itself. */
function inlinesParams(statement: SQL): boolean {
  return (statement as unknown as { shouldInlineParams: boolean }).shouldInlineParams;
}

const names = new WeakMap<Table | Column, string>();

/** Of a table or a column, with its schema, as drizzle writes it; they are made once, by the modules' schemas. */
function nameOf(entity: Table | Column): string {
  let name = names.get(entity);
  if (name === undefined) {
    name = dialect.sqlToQuery(new SQL([entity])).sql;
    names.set(entity, name);
  }
  return name;
}
