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
  return sql`array(select jsonb_array_elements_text(${JSON.stringify(values)}::text::jsonb))`;
}

/** Sorts before every id: where a walk through a table in the order of its ids begins. */
export const BEFORE_ALL_IDS = '00000000-0000-0000-0000-000000000000';
