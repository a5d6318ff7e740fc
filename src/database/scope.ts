import { AsyncLocalStorage } from 'node:async_hooks';
import { invariant } from '../errors.ts';

/**
 * Knows whether the current code runs inside a transaction. A query on the outer handle there would wait for
 * the embedded database's only session for ever, and a contract call there would tie two modules' commits
 * together, which no split could keep. Both are bugs, so both fail at once and in every placement.
 */
const scope = new AsyncLocalStorage<string>();

export function insideTransaction<T>(schema: string, work: () => Promise<T>): Promise<T> {
  return scope.run(schema, work);
}

export function refuseInsideTransaction(what: string): void {
  const schema = scope.getStore();
  invariant(schema === undefined, `${what} inside a transaction on ${schema}`);
}
