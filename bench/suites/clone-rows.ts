import type postgres from 'postgres';

/** Columns of text by which rows are told apart; elsewhere text is the same in every copy. */
const TELLING = new Set(['stream', 'key', 'number', 'sku', 'slug', 'name']);

export interface CloneOptions {
  /** With their schemas, as `orders.event`. Tables that others refer to come first. */
  readonly tables: readonly string[];
  /** Copies of each row that is there now, which stays; copies that an earlier call made are copied too. */
  readonly copies: number;
  /**
   * How much older each copy is than the one before it: as long as the rows that are there took to be made. Another one
   * in each call, or it would make the same rows again.
   */
  readonly stepMs: number;
  /** Columns of ids that stay as they are, as `user_id` where copies belong to the same users. */
  readonly sameIds: readonly string[];
}

interface Column {
  readonly name: string;
  readonly type: string;
}

/**
 * Multiplies rows that a shop wrote itself, so that a table of a million has the shape of a real one, whatever its
 * columns are by then. Each copy has ids and times of its own, older from copy to copy, and the same ids wherever rows
 * refer to each other. Resolves with the rows that there are then, by table. Takes some microseconds a row.
 */
export async function cloneRows(sql: postgres.Sql, options: CloneOptions): Promise<Record<string, number>> {
  const { tables, copies, stepMs } = options;
  await makeFunctions(sql);
  const counts: Record<string, number> = {};
  for (const table of tables) {
    const columns = await columnsOf(sql, table);
    const names = columns.map(({ name }) => `"${name}"`).join(', ');
    const values = columns.map((column) => copyOf(column, options.sameIds)).join(', ');
    await sql.unsafe(
      `insert into ${table} (${names}) select ${values}
       from ${table} t cross join (select copy, $2::bigint as step from generate_series(1, $1::int) copy) c`,
      [copies, stepMs],
    );
    await sql.unsafe(`analyze ${table}`);
    const [row] = await sql.unsafe(`select count(*)::int as count from ${table}`);
    counts[table] = row?.count;
  }
  return counts;
}

/** What stands in a column of a copy, as SQL over the row `t` and, in `c`, the copy's number and the step. */
function copyOf({ name, type }: Column, sameIds: readonly string[]): string {
  const value = `t."${name}"`;
  if (type === 'uuid') return sameIds.includes(name) ? value : `bench_id(${value}, c.copy, c.step)`;
  if (type.startsWith('timestamp')) return `${value} - c.copy * c.step * interval '1 millisecond'`;
  if (type === 'text' && TELLING.has(name)) return `bench_text(${value}, c.copy, c.step)`;
  return value;
}

/** Those that are written: neither generated nor counted up by the database. */
async function columnsOf(sql: postgres.Sql, table: string): Promise<Column[]> {
  const [schema = '', name = ''] = table.split('.');
  return await sql<Column[]>`
    select column_name as name, data_type as type from information_schema.columns
    where table_schema = ${schema} and table_name = ${name} and is_generated = 'NEVER' and is_identity = 'NO'
    order by ordinal_position`;
}

/** Ids begin with their time, as UUIDv7 do, so that copies lie in an index as rows of that time would. */
async function makeFunctions(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create or replace function bench_id(id uuid, copy int, step bigint) returns uuid language plpgsql immutable strict as $$
    declare
      bytes bytea := decode(md5(id::text || copy || ' ' || step), 'hex');
      at bigint := ('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint - copy * step;
    begin
      bytes := overlay(bytes placing substring(int8send(at) from 3) from 1 for 6);
      bytes := set_byte(bytes, 6, 112 | (get_byte(bytes, 6) & 15));
      return encode(set_byte(bytes, 8, 128 | (get_byte(bytes, 8) & 63)), 'hex')::uuid;
    end $$;
    create or replace function bench_text(value text, copy int, step bigint) returns text language plpgsql immutable strict as $$
    declare
      id text := substring(value from '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}');
    begin
      if id is null then return value || '-' || step || '-' || copy; end if;
      return replace(value, id, bench_id(id::uuid, copy, step)::text);
    end $$`);
}
