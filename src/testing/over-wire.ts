import { invariant } from '../errors.ts';
import type { Api, Contract } from '../rpc/contract.ts';
import { decodeAnswer, decodeInput, encodeFailure, encodeInput, encodeOutput } from '../rpc/wire.ts';

const same = { sameContract: true };

/**
 * The same API through the form that calls have between processes, without a network. Each command arrives twice, as
 * when its first answer was lost; the second answer must be the first one.
 */
export function overWire<C extends Contract>(contract: C, api: Api<C>): Api<C> {
  const calls = Object.entries(contract.calls).map(([call, spec]) => {
    const name = `${contract.module}.${call}`;
    const implement = api[call] as (input: unknown) => Promise<unknown>;
    const deliver = async (text: string) => {
      try {
        return encodeOutput(await implement(decodeInput(name, spec, text, same)));
      } catch (error) {
        return encodeFailure(error);
      }
    };
    const make = async (input: unknown) => {
      const text = encodeInput(input);
      const answer = await deliver(text);
      if (spec.kind === 'command') {
        const repeated = await deliver(text);
        const isSame = repeated.status === answer.status && repeated.text === answer.text;
        invariant(isSame, `${name} answers a repeat as before: ${answer.text}, then ${repeated.text}`);
      }
      return decodeAnswer(name, spec, answer, same);
    };
    return [call, make];
  });
  return Object.freeze(Object.fromEntries(calls)) as Api<C>;
}
