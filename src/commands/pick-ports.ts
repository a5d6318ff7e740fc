import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { CommandError, exitCodes } from './exit-codes.ts';

/**
 * Below the ports that systems give to outgoing connections (Linux from 32768, others from 49152): from those, a
 * process that calls a peer while it is down could be given the peer's own port, and then talk to itself.
 */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 100;

/**
 * The first of `count` ports in a row on which nothing listens now, at random. Another program may still take one
 * before it is used. Throws `CommandError` where there is no such row.
 */
export async function pickPorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const first = randomInt(FIRST, LAST - count);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new CommandError(
    exitCodes.unavailable,
    `no ${count} free ports in a row between ${FIRST} and ${LAST}: name some by --port and --ops-port`,
  );
}

/** Those of `count` ports from `first` on that another program listens on. */
export async function takenPorts(first: number, count: number): Promise<number[]> {
  const ports = Array.from({ length: count }, (_, index) => first + index);
  const free = await Promise.all(ports.map(isFree));
  return ports.filter((_, index) => !free[index]);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
