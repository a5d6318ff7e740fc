import type { z } from 'zod';

/**
 * A query changes nothing and may be asked again. A command changes something and names the member of its input
 * that identifies it (`key`): the same key again gives the same answer and no second effect, so it may be sent
 * again as well. Retries are decided here, by the contract, and not by the caller.
 */
export interface CallSpec<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> {
  readonly kind: 'query' | 'command';
  readonly key?: string;
  readonly input: Input;
  readonly output: Output;
  /** The closed list of expected failures, by code. Besides these a call may end `unavailable`. */
  readonly errors: readonly string[];
  /** Upper bound of one call; the default is CALL_TIMEOUT_MS. */
  readonly timeoutMs?: number;
}

export type Calls = Readonly<Record<string, CallSpec>>;

/** What other modules may know of a module: its calls, and the events it listens to. */
export interface Contract<C extends Calls = Calls> {
  readonly module: string;
  readonly calls: C;
  /** Names of the modules it calls; acyclic over all modules. */
  readonly needs: readonly string[];
  /** Types of the events it handles, as `order.paid.v1`. Known even where the module is not hosted. */
  readonly consumes: readonly string[];
}

type QuerySpec<I extends z.ZodType, O extends z.ZodType> = Omit<CallSpec<I, O>, 'kind' | 'key'>;
type CommandSpec<I extends z.ZodType, O extends z.ZodType> = Omit<CallSpec<I, O>, 'kind' | 'key'> & {
  readonly key: keyof z.output<I> & string;
};

export function query<I extends z.ZodType, O extends z.ZodType>(spec: QuerySpec<I, O>): CallSpec<I, O> {
  return { kind: 'query', ...spec };
}

export function command<I extends z.ZodType, O extends z.ZodType>(spec: CommandSpec<I, O>): CallSpec<I, O> {
  return { kind: 'command', ...spec };
}

export function defineContract<const C extends Calls>(
  module: string,
  parts: { calls: C; needs?: readonly string[]; consumes?: readonly string[] },
): Contract<C> {
  return { module, calls: parts.calls, needs: parts.needs ?? [], consumes: parts.consumes ?? [] };
}

/** A contract as one caller needs it: only the calls that it makes. */
export type Uses<C extends Contract, Name extends keyof C['calls']> = Contract<Pick<C['calls'], Name>>;

/** So a module's `needs` say, and the compiler checks, whom a change of a call concerns. */
export function uses<C extends Contract, Name extends keyof C['calls'] & string>(
  contract: C,
  ...names: readonly Name[]
): Uses<C, Name> {
  const calls = Object.fromEntries(names.map((name) => [name, contract.calls[name]]));
  return { ...contract, calls: calls as Pick<C['calls'], Name> };
}

/** The interface that callers see, the same whether the module runs here or elsewhere. */
export type Api<C extends Contract> = {
  readonly [K in keyof C['calls']]: (
    input: z.input<C['calls'][K]['input']>,
  ) => Promise<z.output<C['calls'][K]['output']>>;
};

/** The interface that the module implements: inputs come parsed, outputs are parsed on their way out. */
export type Implementation<C extends Contract> = {
  readonly [K in keyof C['calls']]: (
    input: z.output<C['calls'][K]['input']>,
  ) => Promise<z.input<C['calls'][K]['output']>>;
};
