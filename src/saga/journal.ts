import { sql } from 'drizzle-orm';
import type { Database, Transaction } from '../database/database.ts';
import { deleteInBatches } from '../database/delete-in-batches.ts';
import {
  CLEAN_UP_BATCH,
  SAGA_FORWARD_MS,
  SAGA_KEEP_DAYS,
  SAGA_LEASE_MS,
  SAGA_SWEEP_BATCH,
} from '../limits.ts';
import type { SagaOutcome, SagaReason } from './saga.ts';

/** A saga as its present driver holds it. Every write names the fence, so a driver that lost its lease writes nothing. */
export interface HeldSaga {
  readonly id: string;
  readonly name: string;
  readonly data: object;
  readonly state: 'running' | 'compensating';
  /** While compensating: the step to undo next; -1 when all are undone. */
  readonly step: number;
  readonly reason: SagaReason | null;
  readonly attempts: number;
  readonly fence: number;
  readonly wakes: number;
  readonly trace: string | null;
}

/** The sagas that have not ended. */
export interface SagaBacklog {
  readonly open: number;
  /** Age of the oldest that does not wait on purpose; 0 when there is none. */
  readonly oldestSeconds: number;
}

export type SagaEnd = 'completed' | 'compensated';

const LEASE = sql`now() + ${SAGA_LEASE_MS}::int * interval '1 millisecond'`;
/** More steps than any saga has: who seizes a saga does not know how far it got, so all are undone. */
const EVERY_STEP = 1_000;
const HELD = sql`id, name, data, state, step, reason, attempts, fence, wakes, trace`;

/** All SQL of the `saga` table in one module's schema. */
export function createJournal(database: Database) {
  const table = sql`${sql.identifier(database.schema)}.saga`;
  const held = (saga: HeldSaga) => sql`id = ${saga.id} and fence = ${saga.fence} and state <> 'done'`;

  return {
    /**
     * Inserts a saga leased by the caller; undefined when its subject has an open one. That is looked up first,
     * because a conflicting insert would wait for whoever is ending the other saga. The end of a saga locks its
     * row and then its subject, the start of one has locked its subject already: the two would wait for each other.
     */
    async insert(
      tx: Transaction,
      saga: { id: string; name: string; subject: string; data: object; trace: string | null },
    ): Promise<HeldSaga | undefined> {
      const [row] = await tx.rows<HeldSaga>(sql`
        insert into ${table} (id, name, subject, data, trace, due_at, deadline_at)
        select ${saga.id}::uuid, ${saga.name}::text, ${saga.subject}::uuid, ${JSON.stringify(saga.data)}::text::jsonb,
          ${saga.trace}::text, ${LEASE}, now() + ${SAGA_FORWARD_MS}::int * interval '1 millisecond'
        where not exists (select from ${table} where subject = ${saga.subject}::uuid and state <> 'done')
        on conflict (subject) where state <> 'done' do nothing
        returning ${HELD}`);
      return row;
    },

    /** Takes the saga if it is due; undefined when it has ended or somebody holds it. */
    async lease(id: string): Promise<HeldSaga | undefined> {
      const [row] = await database.rows<HeldSaga>(sql`
        update ${table}
        set fence = fence + 1, due_at = ${LEASE}, attempts = attempts + 1, waiting = false, updated_at = now()
        where id = ${id} and state <> 'done' and due_at <= now()
        returning ${HELD}`);
      return row;
    },

    async renew(saga: HeldSaga): Promise<void> {
      await database.rows(sql`update ${table} set due_at = ${LEASE} where ${held(saga)}`);
    },

    /**
     * Lets go of a saga whose step waits, or is to be tried again after `retryMs`. False when it is past its
     * deadline, or lost. The fence is spent, so that a sign of life under way does not hold what was let go.
     */
    async letGo(saga: HeldSaga, until: { retryMs: number } | 'woken'): Promise<boolean> {
      const due =
        until === 'woken'
          ? sql`case when wakes = ${saga.wakes} then deadline_at else now() end`
          : sql`least(deadline_at, now() + ${until.retryMs}::int * interval '1 millisecond')`;
      const rows = await database.rows(sql`
        update ${table} set due_at = ${due}, waiting = ${until === 'woken'}, fence = fence + 1, updated_at = now()
        where ${held(saga)} and deadline_at > now()
        returning id`);
      return rows.length > 0;
    },

    /** Lets go of a saga until the next try of an undo; undoing has no deadline. */
    async putOff(saga: HeldSaga, retryMs: number): Promise<void> {
      await database.rows(sql`
        update ${table}
        set due_at = now() + ${retryMs}::int * interval '1 millisecond', fence = fence + 1, updated_at = now()
        where ${held(saga)}`);
    },

    /** Decides to turn back, with `step` the first to undo. Undefined when the lease was lost. */
    async turn(
      tx: Transaction,
      saga: HeldSaga,
      reason: SagaReason,
      step: number,
    ): Promise<HeldSaga | undefined> {
      const [row] = await tx.rows<HeldSaga>(sql`
        update ${table}
        set state = 'compensating', step = ${step}, reason = ${JSON.stringify(reason)}::text::jsonb, attempts = 0,
          waiting = false, updated_at = now()
        where ${held(saga)} and state = 'running'
        returning ${HELD}`);
      return row;
    },

    /** Turns the subject's forward-going saga back, whoever holds it; it is due at once. */
    async seize(tx: Transaction, subject: string, reason: SagaReason): Promise<HeldSaga | undefined> {
      const [row] = await tx.rows<HeldSaga>(sql`
        update ${table}
        set state = 'compensating', step = ${EVERY_STEP}, reason = ${JSON.stringify(reason)}::text::jsonb, attempts = 0,
          fence = fence + 1, waiting = false, due_at = now(), updated_at = now()
        where subject = ${subject} and state = 'running'
        returning ${HELD}`);
      return row;
    },

    /** Ends the saga, with its age in seconds. Undefined when the lease was lost: then the transaction must roll back. */
    async end(tx: Transaction, saga: HeldSaga, outcome: SagaEnd): Promise<number | undefined> {
      const [row] = await tx.rows<{ age: number }>(sql`
        update ${table} set state = 'done', outcome = ${outcome}, waiting = false, updated_at = now()
        where ${held(saga)}
        returning extract(epoch from clock_timestamp() - created_at)::float8 as age`);
      return row?.age;
    },

    async wake(tx: Transaction, subject: string): Promise<void> {
      await tx.rows(sql`
        update ${table} set wakes = wakes + 1, due_at = case when waiting then now() else due_at end, waiting = false
        where subject = ${subject} and state = 'running'`);
    },

    async outcome(id: string): Promise<SagaOutcome | undefined> {
      const [row] = await database.rows<OutcomeRow>(sql`
        select id, name, state, outcome, reason, waiting from ${table} where id = ${id}`);
      return row && toOutcome(row);
    },

    async latest(subject: string): Promise<{ id: string; name: string; outcome: SagaOutcome } | undefined> {
      const [row] = await database.rows<OutcomeRow>(sql`
        select id, name, state, outcome, reason, waiting from ${table}
        where subject = ${subject}
        order by created_at desc, id desc limit 1`);
      return row && { id: row.id, name: row.name, outcome: toOutcome(row) };
    },

    /** Ids of sagas that nobody drives and that are due. */
    async due(): Promise<string[]> {
      const rows = await database.rows<{ id: string }>(sql`
        select id from ${table} where state <> 'done' and due_at <= now() order by due_at limit ${SAGA_SWEEP_BATCH}`);
      return rows.map((row) => row.id);
    },

    /** What has not ended, through the index of those alone. */
    async backlog(): Promise<SagaBacklog> {
      const [row] = await database.rows<SagaBacklog>(sql`
        select count(*)::int as open,
          coalesce(extract(epoch from now() - min(created_at) filter (where not waiting)), 0)::float8 as "oldestSeconds"
        from ${table} where state <> 'done'`);
      return row ?? { open: 0, oldestSeconds: 0 };
    },

    async deleteOld(): Promise<void> {
      await deleteInBatches(
        database,
        CLEAN_UP_BATCH,
        sql`
        delete from ${table} where id in (
          select id from ${table}
          where state = 'done' and updated_at < now() - ${SAGA_KEEP_DAYS}::int * interval '1 day'
          order by updated_at limit ${CLEAN_UP_BATCH}::int for update skip locked)
        returning id`,
      );
    },

    /** Frees every lease; only where it is certain that no other process lives. */
    async freeLeases(): Promise<void> {
      await database.rows(sql`update ${table} set due_at = now() where state <> 'done' and not waiting`);
    },
  };
}

interface OutcomeRow {
  id: string;
  name: string;
  state: 'running' | 'compensating' | 'done';
  outcome: 'completed' | 'compensated' | null;
  reason: SagaReason | null;
  waiting: boolean;
}

function toOutcome(row: OutcomeRow): SagaOutcome {
  if (row.outcome === 'completed') return { state: 'completed' };
  if (row.outcome === 'compensated')
    return { state: 'compensated', reason: row.reason ?? { code: 'unknown' } };
  return { state: row.waiting ? 'waiting' : 'open' };
}
