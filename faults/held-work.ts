import type postgres from 'postgres';
import { schemas } from './settle.ts';

/** Work that a process has taken and not ended: a delivery of an event, a mail, or a saga. */
export interface HeldWork {
  readonly kind: 'delivery' | 'mail' | 'saga';
  /** A schema and an id, so that it can be found again. */
  readonly name: string;
  /** The holder's; whoever takes it over gets a higher one. */
  readonly fence: number;
}

/** Everything that is taken by somebody at this moment. */
export async function listHeldWork(sql: postgres.Sql): Promise<HeldWork[]> {
  const deliveries = schemas.map(
    (schema) => `select 'delivery' as kind, '${schema} ' || event_id || ' ' || consumer as name, fence
      from ${schema}.delivery where state = 'leased' and due_at > now()`,
  );
  return await sql.unsafe<HeldWork[]>(`
    ${deliveries.join(' union all ')}
    union all select 'mail', id::text, fence from notifications.mail
      where state = 'queued' and fence > 0 and due_at > now()
    union all select 'saga', id::text, fence from orders.saga where state <> 'done' and not waiting and due_at > now()`);
}

/** How such work stands now. */
export async function readWork(
  sql: postgres.Sql,
  kind: HeldWork['kind'],
): Promise<Map<string, { fence: number; ended: boolean; failed: boolean }>> {
  const deliveries = schemas.map(
    (schema) => `select '${schema} ' || event_id || ' ' || consumer as name, fence, state = 'done' as ended,
      attempts > 0 as failed from ${schema}.delivery`,
  );
  const queries = {
    delivery: deliveries.join(' union all '),
    mail: `select id::text as name, fence, state = 'sent' as ended, false as failed from notifications.mail`,
    saga: `select id::text as name, fence, state = 'done' as ended, false as failed from orders.saga`,
  };
  const rows = await sql.unsafe<{ name: string; fence: number; ended: boolean; failed: boolean }[]>(
    queries[kind],
  );
  return new Map(rows.map((row) => [row.name, row]));
}
