import type { Answer } from './client.ts';
import type { Person, Stage } from './stage.ts';

/** Registers somebody, and signs them in. */
export async function enter(stage: Stage, name: string): Promise<Person> {
  const email = `${name}@example.com`;
  const password = `the password of ${name}`;
  const { body } = await stage.send('POST', '/users', { json: { email, username: name, password } });
  return await signIn(stage, { name, id: body.id, email, password });
}

/** Signs in, and keeps the tokens. */
export async function signIn(
  stage: Stage,
  person: Pick<Person, 'name' | 'email' | 'password'> & { readonly id: string },
): Promise<Person> {
  const { name, id, email, password } = person;
  const answer = await stage.send('POST', '/auth/login', { json: { email, password } });
  const signedIn = { name, id, email, password, ...tokensOf(answer) };
  stage.people.set(name, signedIn);
  return signedIn;
}

export function tokensOf({ body }: Answer): Pick<Person, 'token' | 'refreshToken'> {
  return { token: body?.accessToken ?? '', refreshToken: body?.refreshToken ?? '' };
}
