import { findFreePort } from '../src/testing/servers/free-port.ts';

const taken = new Set<number>();

/** A free port that was not given before: nothing listens on them until all are chosen, so one could be found twice. */
export async function takePort(): Promise<number> {
  let port = await findFreePort();
  while (taken.has(port)) port = await findFreePort();
  taken.add(port);
  return port;
}
