import { sleep } from '../src/deadline.ts';
import type { Answer, Client, Request } from './client.ts';
import type { Transcript } from './transcript.ts';

/** Somebody with an account, and the newest tokens. */
export interface Person {
  readonly name: string;
  readonly id: string;
  readonly email: string;
  password: string;
  token: string;
  refreshToken: string;
}

export interface Sending {
  /** Whose token goes along. */
  readonly as?: Person;
  /** The Idempotency-Key. */
  readonly key?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Uint8Array;
  readonly chunked?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What scenarios act on: a shop by its public port, and the people and things that they have made there. */
export interface Stage {
  readonly admin: { readonly email: string; readonly password: string };
  /** What signs the webhooks of the payment provider, and the calls between processes. */
  readonly secrets: { readonly webhook: string; readonly service: string };
  readonly people: Map<string, Person>;
  person(name: string): Person;
  /** Things that a later scenario needs, as a product's id, by a name. */
  readonly things: Map<string, string>;
  thing(name: string): string;
  /** Sends a request and writes it down. `path` is below `/api/v1` unless it begins with `!`, as `!/docs`. */
  send(method: string, path: string, sending?: Sending): Promise<Answer>;
  /** Sends a request and does not write it down. */
  ask(method: string, path: string, sending?: Sending): Promise<Answer>;
  /** Repeats a request until its answer is as wanted, and writes down the last one only. Rejects after 20 s. */
  eventually(
    method: string,
    path: string,
    sending: Sending,
    isSo: (answer: Answer) => boolean,
  ): Promise<Answer>;
  /** Writes down what a scenario worked out itself, since a mask hides it. */
  note(text: string): void;
  /** Resolves when no event, order, payment or mail is under way any more. */
  settle(): Promise<void>;
}

/** One part of the suite. Scenarios run in their order, and a later one may build on what an earlier one made. */
export interface Scenario {
  readonly name: string;
  run(stage: Stage): Promise<void>;
}

const EVENTUALLY_MS = 20_000;
const AGAIN_MS = 50;

export function createStage(options: {
  readonly client: Client;
  readonly transcript: Transcript;
  readonly settle: () => Promise<void>;
  readonly admin: Stage['admin'];
  readonly secrets: Stage['secrets'];
}): Stage {
  const { client, transcript, settle, admin, secrets } = options;
  const people = new Map<string, Person>();
  const things = new Map<string, string>();

  function requestOf(method: string, path: string, sending: Sending): Request {
    const { as, key, json, body, chunked, headers = {} } = sending;
    return {
      method,
      path: path.startsWith('!') ? path.slice(1) : `/api/v1${path}`,
      headers: {
        ...(as && { authorization: `Bearer ${as.token}` }),
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: json === undefined ? body : JSON.stringify(json),
      chunked,
    };
  }

  return {
    admin,
    secrets,
    people,
    things,
    settle,
    note: (text) => transcript.note(text),
    person: (name) => wanted(people, name),
    thing: (name) => wanted(things, name),
    async send(method, path, sending = {}) {
      const request = requestOf(method, path, sending);
      const answer = await client.send(request);
      transcript.exchange(request, answer);
      return answer;
    },
    ask: (method, path, sending = {}) => client.send(requestOf(method, path, sending)),
    async eventually(method, path, sending, isSo) {
      const request = requestOf(method, path, sending);
      const endsAt = performance.now() + EVENTUALLY_MS;
      for (;;) {
        const answer = await client.send(request);
        const tooLate = performance.now() > endsAt;
        if (isSo(answer) || tooLate) transcript.exchange(request, answer);
        if (isSo(answer)) return answer;
        if (tooLate) throw new Error(`${method} ${path}: ${answer.status} is still not the answer`);
        await sleep(AGAIN_MS);
      }
    },
  };
}

function wanted<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name);
  if (found === undefined) throw new Error(`an earlier scenario makes ${name}`);
  return found;
}
