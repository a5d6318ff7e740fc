import { type SQL, type SQLWrapper, sql } from 'drizzle-orm';

/** Selects a timestamp as RFC 3339 in UTC with milliseconds, the API's form, whatever the driver's parsers do. */
export function isoTime(column: SQLWrapper): SQL<string> {
  return sql<string>`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/**
 * Passes a list of JSON objects as one parameter, to be read by `jsonb_to_recordset`. One parameter whatever the
 * length, so one statement serves an order of 2 lines and one of 2,000.
 */
export function jsonRows(values: readonly object[]): SQL {
  return sql`${JSON.stringify(values)}::text::jsonb`;
}

/** Passes a list of strings as one parameter, for `= any(...)`. */
export function textArray(values: readonly string[]): SQL {
  return array('text', values);
}

/** A list of values of one Postgres type. */
export type List =
  | readonly [type: 'text' | 'uuid', values: readonly string[]]
  | readonly [type: 'bigint', values: readonly number[]]
  | readonly [type: 'boolean', values: readonly boolean[]];

/**
 * Passes lists of one length as a table with a column each, for `from ${listRows(...)} as n(id, quantity)`. One
 * parameter for each, whatever the length.
 *
 * The limit is that length. By a limit that it does not know Postgres takes the table for short, so it plans the
 * statement once for all lists, and looks up what is joined by its key. Without one it plans anew at each call,
 * as the list might be long, or reads the whole of tables that are small.
 */
export function listRows(...lists: readonly [List, ...List[]]): SQL {
  const arrays = lists.map(([type, values]) => array(type, values));
  return sql`(select * from unnest(${sql.join(arrays, sql`, `)}) limit ${lists[0][1].length}::int)`;
}

/** A list in Postgres's own notation. */
function array(type: List[0], values: readonly (string | number | boolean)[]): SQL {
  const list = values.map((value) => (typeof value === 'string' ? quoted(value) : String(value)));
  return sql`${`{${list.join(',')}}`}::${sql.raw(type)}[]`;
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Sorts before every id: where a walk through a table in the order of its ids begins. */
export const BEFORE_ALL_IDS = '00000000-0000-0000-0000-000000000000';
