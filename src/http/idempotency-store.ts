import { createHash } from 'node:crypto';
import { type SQL, sql } from 'drizzle-orm';
import { createBatch } from '../batch.ts';
import type { Database, Queryable, Transaction } from '../database/database.ts';
import { deleteInBatches } from '../database/delete-in-batches.ts';
import { listRows } from '../database/sql.ts';
import { AppError, invariant } from '../errors.ts';
import { CLEAN_UP_BATCH, IDEMPOTENCY_HOURS, KEY_LANES, KEYS_TOGETHER } from '../limits.ts';
import {
  type Idempotency,
  type IdempotencyClaim,
  keyInFlight,
  type Remembered,
  replayed,
} from './idempotency.ts';
import type { Answer } from './route.ts';

/** What the edge and the schedules need besides what modules see. */
export interface IdempotencyStore extends Idempotency {
  /**
   * Stores a final failure that came about outside any transaction, and returns the answer that counts: this one,
   * or the one that an earlier or quicker request left under the key. Fails with `idempotency_key_reused`, and
   * with `idempotency_key_in_flight` when another request has taken the key for work that is under way.
   */
  keep(claim: IdempotencyClaim, failure: Answer): Promise<Answer>;
  /** Deletes keys whose time is over; returns how many. Safe to run anywhere, any number of times. */
  deleteOldKeys(): Promise<number>;
}

interface Row {
  fingerprint: string;
  resource_id: string | null;
  status: number | null;
  headers: Record<string, string> | null;
  version: number | null;
  body: string | null;
}

/** Whether an answer is the last word on its key: work still under way, trouble and limits are not. */
export function isFinal(status: number): boolean {
  return status !== 202 && status !== 429 && status < 500;
}

export function createIdempotency(database: Database): IdempotencyStore {
  const table = sql`${sql.identifier(database.schema)}.idempotency`;
  // Keys past their time count as absent, whether or not the schedule has deleted them yet.
  const over = sql`idempotency.created_at <= now() - make_interval(hours => ${IDEMPOTENCY_HOURS}::int)`;

  async function findRows(on: Queryable, claims: readonly IdempotencyClaim[]): Promise<(Row | undefined)[]> {
    const rows = await on.rows<Row & { nth: number }>(sql`
      select n.nth, fingerprint, resource_id, status, headers, version, body
      from ${listRows(
        ['uuid', claims.map(({ userId }) => userId)],
        ['text', claims.map(({ route }) => route)],
        ['text', claims.map(({ key }) => key)],
        ['bigint', claims.map((_, nth) => nth)],
      )} as n(user_id, route, key, nth)
      join ${table} on idempotency.user_id = n.user_id and idempotency.route = n.route and idempotency.key = n.key
      where not (${over})`);
    const byNth = new Map(rows.map((row) => [row.nth, row]));
    return claims.map((_, nth) => byNth.get(nth));
  }

  /** What many ask for at once is one statement. */
  const findRow = createBatch<IdempotencyClaim, Row | undefined>({
    run: (claims) => findRows(database, claims),
    max: KEYS_TOGETHER,
    lanes: KEY_LANES,
  });

  async function look(tx: Transaction, claim: IdempotencyClaim): Promise<Remembered | undefined> {
    const [row] = await findRows(tx, [claim]);
    return remembered(row, claim);
  }

  /** Writes the answer unless the key already has one; tells whether it wrote. */
  async function store(
    on: Queryable,
    claim: IdempotencyClaim,
    answer: Answer,
    replaceable: SQL,
  ): Promise<boolean> {
    const body = answer.body === undefined ? null : JSON.stringify(answer.body);
    const rows = await on.rows(sql`
      insert into ${table} as idempotency (user_id, route, key, fingerprint, status, headers, version, body)
      values (${claim.userId}::uuid, ${claim.route}::text, ${claim.key}::text, ${claim.fingerprint}::text,
        ${answer.status}::int, ${JSON.stringify(answer.headers ?? {})}::text::jsonb,
        ${answer.version ?? null}::bigint, ${body}::text)
      on conflict (user_id, route, key) do update
        set fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
          version = excluded.version, body = excluded.body, created_at = now(),
          resource_id = case when ${over} then null else idempotency.resource_id end
        where ${over} or (${replaceable})
      returning 1 as stored`);
    return rows.length > 0;
  }

  return {
    async once(claim, work) {
      return await database.transaction(async (tx) => {
        if (claim === undefined) return await work(tx);
        await lock(tx, database.schema, claim);
        // A statement of its own after the lock: its snapshot sees what the lock's last holder committed.
        const known = await look(tx, claim);
        if (known?.state === 'answered') return known.answer;
        if (known?.state === 'claimed') throw keyInFlight();
        const answer = await work(tx);
        if (isFinal(answer.status)) await store(tx, claim, answer, sql`false`);
        return answer;
      });
    },

    async find(claim) {
      return claim && remembered(await findRow(claim), claim);
    },

    async claim(tx, claim, resourceId) {
      if (claim === undefined) return;
      const taken = await tx.rows(sql`
        insert into ${table} as idempotency (user_id, route, key, fingerprint, resource_id)
        values (${claim.userId}::uuid, ${claim.route}::text, ${claim.key}::text, ${claim.fingerprint}::text,
          ${resourceId}::uuid)
        on conflict (user_id, route, key) do update
          set fingerprint = excluded.fingerprint, resource_id = excluded.resource_id, status = null,
            headers = null, version = null, body = null, created_at = now()
          where ${over}
        returning 1 as taken`);
      if (taken.length > 0) return;
      await look(tx, claim);
      throw keyInFlight();
    },

    async complete(tx, claim, answer) {
      if (claim === undefined) return;
      invariant(isFinal(answer.status), `${answer.status} is a final answer`);
      await store(
        tx,
        claim,
        answer,
        sql`idempotency.status is null and idempotency.fingerprint = excluded.fingerprint`,
      );
    },

    async release(tx, claim) {
      if (claim === undefined) return;
      await tx.rows(sql`
        delete from ${table} as idempotency
        where ${sameKey(claim)} and fingerprint = ${claim.fingerprint}::text and status is null`);
    },

    async keep(claim, failure) {
      if (await store(database, claim, failure, sql`false`)) return failure;
      const known = remembered(await findRow(claim), claim);
      // It belongs to work of another process, which may end otherwise: one key has one answer.
      if (known?.state === 'claimed') throw keyInFlight();
      return known?.answer ?? failure;
    },

    async deleteOldKeys() {
      return await deleteInBatches(
        database,
        CLEAN_UP_BATCH,
        sql`
        delete from ${table} where (user_id, route, key) in (
          select user_id, route, key from ${table} as idempotency where ${over}
          order by created_at limit ${CLEAN_UP_BATCH}::int for update skip locked)
        returning 1 as gone`,
      );
    },
  };
}

function remembered(row: Row | undefined, claim: IdempotencyClaim): Remembered | undefined {
  if (row === undefined) return undefined;
  if (row.fingerprint !== claim.fingerprint) throw keyReused();
  if (row.status !== null) {
    return { state: 'answered', answer: replayed(restore(row, row.status)), resourceId: row.resource_id };
  }
  invariant(row.resource_id !== null, 'a claimed key names its resource');
  return { state: 'claimed', resourceId: row.resource_id };
}

function sameKey(claim: IdempotencyClaim): SQL {
  return sql`idempotency.user_id = ${claim.userId}::uuid and idempotency.route = ${claim.route}::text
    and idempotency.key = ${claim.key}::text`;
}

function restore(row: Row, status: number): Answer {
  return {
    status,
    headers: row.headers ?? {},
    ...(row.body === null ? {} : { body: JSON.parse(row.body) as unknown }),
    ...(row.version === null ? {} : { version: row.version }),
  };
}

/** Holds the key until the transaction ends, across processes; does not wait for another holder. */
async function lock(tx: Transaction, schema: string, claim: IdempotencyClaim): Promise<void> {
  const name = JSON.stringify([schema, claim.userId, claim.route, claim.key]);
  const id = createHash('sha256').update(name).digest().readBigInt64BE();
  const [row] = await tx.rows<{ taken: boolean }>(
    sql`select pg_try_advisory_xact_lock(${String(id)}::text::bigint) as taken`,
  );
  if (!row?.taken) throw keyInFlight();
}

function keyReused(): AppError {
  return new AppError('unprocessable', 'idempotency_key_reused', 'this key was used with another request');
}
