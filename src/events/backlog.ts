import { sql } from 'drizzle-orm';
import type { Database } from '../database/database.ts';

/** What of a module's events is not delivered. */
export interface EventBacklog {
  /** Deliveries that are not done, parked ones apart. */
  readonly pending: number;
  /** Age of the oldest event among them; 0 when there is none. */
  readonly oldestSeconds: number;
  /** By consumer. */
  readonly parked: ReadonlyMap<string, number>;
}

interface Row {
  readonly consumer: string;
  readonly isParked: boolean;
  readonly count: number;
  readonly seconds: number;
}

/**
 * Reads the rows that are not done, through the index of those alone, so that its cost does not grow with what was
 * delivered. Which event is the oldest its id tells, which begins with the time; how old it is, the database's clock.
 */
export async function readEventBacklog(database: Database): Promise<EventBacklog> {
  const schema = sql.identifier(database.schema);
  const rows = await database.rows<Row>(sql`
    with unfinished as (
      select consumer, state = 'parked' as parked, count(*)::int as count, min(event_id::text collate "C") as first
      from ${schema}.delivery where state in ('pending', 'leased', 'parked')
      group by 1, 2
    )
    select u.consumer, u.parked as "isParked", u.count,
      coalesce(extract(epoch from now() - o.at), 0)::float8 as seconds
    from unfinished u left join ${schema}.outbox o on o.id = u.first::uuid`);
  const pending = rows.filter(({ isParked }) => !isParked);
  return {
    pending: pending.reduce((sum, { count }) => sum + count, 0),
    oldestSeconds: Math.max(0, ...pending.map(({ seconds }) => seconds)),
    parked: new Map(rows.filter(({ isParked }) => isParked).map(({ consumer, count }) => [consumer, count])),
  };
}
