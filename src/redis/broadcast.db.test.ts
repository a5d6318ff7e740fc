import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { BROADCAST_BYTES } from '../limits.ts';
import { linkRedis, type TestLink } from '../testing/redis-link.ts';
import { type RedisServer, startRedis } from '../testing/servers/redis-server.ts';
import { type Broadcast, createBroadcast } from './broadcast.ts';

const WAIT = { timeout: 20_000, interval: 20 };

interface TestProcess {
  readonly link: TestLink;
  readonly broadcast: Broadcast;
  readonly heard: number[];
  gaps: number;
}

let server: RedisServer;
let processes: TestProcess[];
let trials = 1_000;

beforeEach(async () => {
  server = await startRedis();
  processes = [];
});
afterEach(async () => {
  for (const { link } of processes) link.redis.close();
  await server.stop();
});

/** A process of a shop that listens to the topic `numbers`, once it hears. */
async function join(shopId = 'shop'): Promise<TestProcess> {
  const link = linkRedis(server.url);
  const broadcast = createBroadcast(link.redis, shopId, link.log);
  const member: TestProcess = { link, broadcast, heard: [], gaps: 0 };
  broadcast.subscribe('numbers', {
    schema: z.number(),
    onMessage: (message) => void member.heard.push(message),
    onGap: () => {
      member.gaps += 1;
    },
  });
  processes.push(member);
  await vi.waitFor(() => {
    expect(link.redis.available).toBe(true);
    expect(member.gaps).toBeGreaterThan(0);
  }, WAIT);
  return member;
}

/** Resolves when `to` hears what `from` says from now on; numbers up from 1,000 are such trials. */
async function untilHeard(from: TestProcess, to: TestProcess): Promise<void> {
  await vi.waitFor(async () => {
    trials += 1;
    const trial = trials;
    from.broadcast.publish('numbers', trial);
    await vi.waitFor(() => expect(to.heard).toContain(trial), { timeout: 200, interval: 10 });
  }, WAIT);
}

function said(member: TestProcess): number[] {
  return member.heard.filter((message) => message < 1_000);
}

describe('a broadcast', () => {
  it('reaches the other processes of the shop once, and its own process once', async () => {
    const [a, b] = [await join(), await join()];
    await untilHeard(a, b);
    await untilHeard(b, a);
    a.broadcast.publish('numbers', 1);
    expect(said(a)).toEqual([1]);
    b.broadcast.publish('numbers', 2);
    await vi.waitFor(() => {
      expect(said(a)).toEqual([1, 2]);
      expect(said(b).toSorted()).toEqual([1, 2]);
    }, WAIT);
    // Whatever Redis sends a process of its own messages has come by the time that this one is heard.
    await untilHeard(b, a);
    expect(said(b)).toHaveLength(2);
  });

  it('does not reach another shop on the same Redis', async () => {
    const [a, b, stranger] = [await join(), await join(), await join('another shop')];
    await untilHeard(a, b);
    await untilHeard(stranger, stranger);
    a.broadcast.publish('numbers', 1);
    await untilHeard(a, b);
    expect(said(b)).toEqual([1]);
    expect(said(stranger)).toEqual([]);
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'goes on after Redis was gone by %s, and tells of the gap',
    async (signal) => {
      const [a, b] = [await join(), await join()];
      await untilHeard(a, b);
      const gapsBefore = b.gaps;
      await server.kill(signal);
      await vi.waitFor(() => {
        expect([a.link.redis.available, b.link.redis.available]).toEqual([false, false]);
      }, WAIT);
      a.broadcast.publish('numbers', 1);
      expect(said(a)).toEqual([1]);
      if (signal === 'SIGKILL') await server.start();
      else await server.kill('SIGCONT');
      await vi.waitFor(() => expect(b.gaps).toBeGreaterThan(gapsBefore), WAIT);
      await untilHeard(a, b);
      await untilHeard(b, a);
    },
  );

  it('is ignored and logged when it is malformed', async () => {
    const a = await join();
    const other = await join();
    await untilHeard(other, a);
    const origin = '01890a5d-ac96-774b-bcce-b302099a8057';
    const malformed = [
      'no JSON',
      '{"origin":"x","topic":"numbers","message":1}',
      JSON.stringify({ origin, topic: 'numbers', message: 1, more: true }),
      JSON.stringify({ origin, topic: 'numbers', message: 'one' }),
      JSON.stringify({ origin, topic: 'numbers', message: 1 }) + ' '.repeat(BROADCAST_BYTES),
    ];
    await other.link.redis.ask(async (connection) => {
      for (const text of malformed) await connection.publish('banyan:shop:broadcast', text);
    });
    await untilHeard(other, a);
    expect(said(a)).toEqual([]);
    const ignored = a.link.logged.filter(({ msg }) => String(msg).includes('broadcast'));
    expect(ignored).toHaveLength(malformed.length);
  });
});
