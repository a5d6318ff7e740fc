import { pickPorts } from '../../commands/pick-ports.ts';

/** A port of 127.0.0.1 on which nothing listens now. Another process may still take it before the caller does. */
export async function findFreePort(): Promise<number> {
  return await pickPorts(1);
}
