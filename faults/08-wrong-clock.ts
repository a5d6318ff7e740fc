import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApiClient } from '../src/commands/api-client.ts';
import { registerAndSignIn, type Session, signIn } from '../src/commands/session.ts';
import { sleep } from '../src/deadline.ts';
import { faketimeEnv } from '../src/testing/servers/faketime.ts';
import { type Answered, tryToBuy, waitPolitely } from './buyers.ts';
import type { Cluster } from './cluster.ts';
import { type Fault, type FaultContext, pickNumber } from './fault.ts';
import { schemas } from './settle.ts';
import { underLoad } from './under-load.ts';
import { waitFor } from './wait-for.ts';

const OFFSETS = ['+1h', '-1h', '+1d', '-1d'] as const;
const OFFSETS_SHORT = ['+1h', '-1h', '-1d'] as const;
const LANES = 3;
const UNPAID = 4;
const PATIENCE_MS = 60_000;
/** The sweeps come every 10 s, and four times as seldom where nobody wakes them. */
const SWEPT_MS = 90_000;
/** No lease, backoff or deadline of open work is longer; a clock that is off by an hour would show. */
const OPEN_WORK_MINUTES = 10;
/** The longest period of a schedule, and a little. */
const SCHEDULE_MINUTES = 65;
const buyer = { username: 'clock-watcher', email: 'clock-watcher@example.com', password: 'a watched clock' };

/**
 * Moves the clocks of one http process and one worker by hours and days while orders go on. What is due is due by
 * the database's time, so it comes neither early nor late, and once. Access tokens are the one exception, since other
 * parties have to check them too: a process whose clock is ahead takes the others' tokens for expired, and says so.
 */
export const fault: Fault = {
  number: 8,
  name: 'wrong-clock',
  async run(context) {
    const clockFile = join(context.folder, 'clock');
    writeFileSync(clockFile, '+0');
    const wrong = await faketimeEnv(clockFile);
    return underLoad(context, {
      cluster: { env: ({ name }): Record<string, string> => (name.endsWith('-2') ? wrong : {}) },
      // The load knows no other tokens than those of the process whose clock is right.
      through: ({ name }) => name === 'http-1',
      load: { ordersPerSecond: context.short ? 40 : 20 },
      async inject({ cluster }, say) {
        const [offsets, rounds] = context.short ? [OFFSETS_SHORT, 1] : [OFFSETS, 5];
        const problems: string[] = [];
        const notes: string[] = [];
        let bought = 0;
        await registerAndSignIn(createApiClient(cluster.http[0]!.url, PATIENCE_MS), buyer);
        for (let round = 1; round <= rounds; round += 1) {
          for (const offset of offsets) {
            say(`clocks at ${offset}, round ${round} of ${rounds}`);
            writeFileSync(clockFile, offset);
            const phase = await runPhase(context, cluster, `${round}${offset}`);
            problems.push(...phase.problems.map((problem) => `at ${offset}: ${problem}`));
            bought += phase.bought;
            if (round === 1) notes.push(`at ${offset} it answered the others' token ${phase.foreign}`);
          }
        }
        writeFileSync(clockFile, '+0');
        notes.push(`${bought} orders through the process with the wrong clock`);
        return { injected: rounds * offsets.length * 2, problems, notes };
      },
    });
  },
};

interface Phase {
  readonly problems: readonly string[];
  /** Orders placed through the process whose clock is wrong. */
  readonly bought: number;
  /** What that process answered to a token of the other. */
  readonly foreign: number;
}

async function runPhase({ short, random }: FaultContext, cluster: Cluster, name: string): Promise<Phase> {
  const [right, wrong] = cluster.http.map(({ url }) => url) as [string, string];
  const trusted = await signIn(createApiClient(right, PATIENCE_MS), buyer);
  const own = await signIn(createApiClient(wrong, PATIENCE_MS), buyer);
  const problems: string[] = [];

  const foreign = await readOrders(wrong, await trusted.token());
  const expected = name.includes('+') ? 401 : 200;
  if (foreign !== expected) problems.push(`the others' token was answered ${foreign}, and not ${expected}`);

  const endsAt = performance.now() + pickNumber(random, 6_000, 9_000) * (short ? 1 : 3);
  let bought = 0;
  async function lane(number: number): Promise<void> {
    for (let count = 1; performance.now() < endsAt; count += 1) {
      const key = `clock-${name}-${number}-${count}`;
      const first = await buy(wrong, own, key, 'tok_ok');
      const again = await buy(right, trusted, key, 'tok_ok');
      if (first.status !== 201) problems.push(`${key}: ${first.status} ${first.body?.code}`);
      if (describe(first) !== describe(again))
        problems.push(`${key}: answered ${describe(first)} there and ${describe(again)} here`);
      bought += 1;
      await sleep(100);
    }
  }
  await Promise.all([
    ...Array.from({ length: LANES }, (_, number) => lane(number)),
    expectKeysByDatabaseTime().then((found) => problems.push(...found)),
    expectExpiryByDatabaseTime().then((found) => problems.push(...found)),
  ]);
  problems.push(...(await findFarDueTimes(cluster)));
  return { problems, bought, foreign };

  /** A key lasts 24 hours from its first answer, whichever process looks at it. */
  async function expectKeysByDatabaseTime(): Promise<string[]> {
    const found: string[] = [];
    for (const [url, session] of [
      [wrong, own],
      [right, trusted],
    ] as const) {
      const where = url === wrong ? 'wrong' : 'right';
      for (const [age, isOver] of [
        ['23 hours 58 minutes', false],
        ['24 hours 2 minutes', true],
      ] as const) {
        const key = `clock-${name}-${where}-${isOver ? 'old' : 'young'}`;
        const first = await buy(right, trusted, key, undefined);
        await cluster.query(
          (sql) =>
            sql`update orders.idempotency set created_at = now() - ${age}::interval where key = ${key}`,
        );
        // The address is part of the request and names the key, and may name another order as well.
        const again = await buy(url, session, key, undefined);
        if ((first.body?.id === again.body?.id) === isOver)
          found.push(`a key of ${age} ${isOver ? 'still' : 'no longer'} counted where the clock is ${where}`);
        await forgetKey(cluster, first.body?.id, key);
      }
    }
    return found;
  }

  /** Of unpaid orders those whose time is over by the database are cancelled, and no others. */
  async function expectExpiryByDatabaseTime(): Promise<string[]> {
    const place = async (kind: string, number: number): Promise<string> =>
      (await buy(right, trusted, `clock-${name}-${kind}-${number}`, undefined)).body?.id;
    const numbers = Array.from({ length: UNPAID }, (_, number) => number);
    const young = await Promise.all(numbers.map((number) => place('due-later', number)));
    const old = await Promise.all(numbers.map((number) => place('due', number)));
    await cluster.query(async (sql) => {
      await sql`update orders.order_view set created_at = now() - interval '16 minutes' where id = any(${old})`;
      await sql`update products.reservation set expires_at = now() where order_id = any(${old})`;
    });
    const count = (ids: readonly string[], status: string) =>
      cluster.query(async (sql) => {
        const rows =
          await sql`select 1 from orders.order_view where id = any(${[...ids]}) and status = ${status}`;
        return rows.length;
      });
    await waitFor(
      SWEPT_MS,
      'unpaid orders to be cancelled',
      async () => (await count(old, 'cancelled')) === UNPAID,
    );
    const left = await count(young, 'awaiting_payment');
    return left === UNPAID ? [] : [`${UNPAID - left} unpaid orders were cancelled before their time`];
  }
}

/** Repeats it until the answer is final. Its key is the shipping address too, by which the books know it. */
async function buy(url: string, session: Session, key: string, card: string | undefined): Promise<Answered> {
  const endsAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const items = [{ sku: 'PLENTY-1', quantity: 1 }];
    const answer = await tryToBuy(url, await session.token(), key, { items, card });
    const isFinal = ![202, 503].includes(answer.status) && answer.body?.code !== 'idempotency_key_in_flight';
    if (isFinal || performance.now() > endsAt) return answer;
    await waitPolitely(answer.retryAfter);
  }
}

function describe({ status, body }: Answered): string {
  return JSON.stringify([status, body?.id, body?.status, body?.total, body?.code]);
}

async function readOrders(url: string, token: string): Promise<number> {
  const answer = await fetch(new URL('/api/v1/orders', url), {
    headers: { authorization: `Bearer ${token}` },
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** Two orders under one key were meant here, so the earlier one stops saying that it was made for it. */
async function forgetKey(cluster: Cluster, orderId: string, key: string): Promise<void> {
  await cluster.query(
    (sql) =>
      sql`update orders.order_address set address = ${sql.json({ line1: `${key} at first` })} where order_id = ${orderId}`,
  );
}

/** Whoever compared or wrote a time by the wrong clock would be off by an hour at least. */
async function findFarDueTimes(cluster: Cluster): Promise<string[]> {
  const tables = [
    ...schemas.flatMap(
      (schema) =>
        [
          [`${schema}.delivery where state in ('pending', 'leased')`, OPEN_WORK_MINUTES],
          [`${schema}.saga where state <> 'done'`, OPEN_WORK_MINUTES],
          [`${schema}.schedule`, SCHEDULE_MINUTES],
        ] as const,
    ),
    ["notifications.mail where state = 'queued'", OPEN_WORK_MINUTES],
    ['payments.payment where due_at is not null', OPEN_WORK_MINUTES],
  ] as const;
  return await cluster.query(async (sql) => {
    const problems: string[] = [];
    for (const [from, minutes] of tables) {
      const [row] = await sql.unsafe<{ minutes: number | null }[]>(
        `select (extract(epoch from max(due_at) - now()) / 60)::int as minutes from ${from}`,
      );
      if ((row?.minutes ?? 0) > minutes) problems.push(`${from} is due in ${row?.minutes} minutes`);
    }
    return problems;
  });
}
