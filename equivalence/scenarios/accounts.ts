import { enter, signIn, tokensOf } from '../cast.ts';
import type { Scenario } from '../stage.ts';

const NOBODY = '019a0000-0000-7000-8000-000000000000';

/** Users and their sessions. The first scenario makes the people that all others need. */
export const accounts: readonly Scenario[] = [
  {
    name: 'people register, sign in, and are given roles',
    async run(stage) {
      const { email, password } = stage.admin;
      const admin = await signIn(stage, { name: 'admin', id: '', email, password });
      const me = await stage.send('GET', '/users/me', { as: admin });
      stage.people.set('admin', { ...admin, id: me.body.id });
      for (const name of ['anna', 'bruno', 'sam']) await enter(stage, name);
      const sam = stage.person('sam');
      await stage.send('PUT', `/users/${sam.id}/role`, { as: admin, json: { role: 'staff' } });
      // A token keeps the role that it was made with.
      await stage.send('GET', `/jobs/${NOBODY}`, { as: sam });
      await signIn(stage, sam);
      await stage.send('GET', `/jobs/${NOBODY}`, { as: stage.person('sam') });
    },
  },
  {
    name: 'a registration is refused',
    async run(stage) {
      const good = { email: 'new@example.com', username: 'new', password: 'a good long password' };
      for (const json of [
        { ...good, email: 'ANNA@example.com ' },
        { ...good, username: 'Anna' },
        { ...good, password: 'short' },
        { ...good, password: 'password123' },
        { ...good, password: 'x'.repeat(129) },
        { ...good, email: 'not an address' },
        { ...good, username: '' },
        { ...good, username: 'with\u0007bell' },
        { ...good, role: 'admin' },
        { email: good.email },
        {},
        [],
        null,
      ]) {
        await stage.send('POST', '/users', { json });
      }
    },
  },
  {
    name: 'a sign-in is refused, and guesses are slowed down',
    async run(stage) {
      const anna = stage.person('anna');
      const guess = { email: anna.email, password: 'not her password' };
      await stage.send('POST', '/auth/login', { json: guess });
      await stage.send('POST', '/auth/login', { json: { ...guess, email: 'nobody@example.com' } });
      await stage.send('POST', '/auth/login', { json: { ...guess, email: 'no address' } });
      await stage.send('POST', '/auth/login', { json: { email: anna.email } });
      const carol = await enter(stage, 'carol');
      const wrong = { email: carol.email, password: 'not her password' };
      for (let guesses = 0; guesses < 5; guesses += 1)
        await stage.send('POST', '/auth/login', { json: wrong });
      const right = { email: carol.email, password: carol.password };
      await stage.send('POST', '/auth/login', { json: right });
      await stage.eventually('POST', '/auth/login', { json: right }, ({ status }) => status === 200);
    },
  },
  {
    name: 'a refresh token is good once, and ends its family when it is shown again',
    async run(stage) {
      const bruno = stage.person('bruno');
      const first = bruno.refreshToken;
      const second = await stage.send('POST', '/auth/refresh', { json: { refreshToken: first } });
      const third = await stage.send('POST', '/auth/refresh', {
        json: { refreshToken: tokensOf(second).refreshToken },
      });
      await stage.send('GET', '/users/me', { as: { ...bruno, ...tokensOf(third) } });
      await stage.send('POST', '/auth/refresh', { json: { refreshToken: first } });
      await stage.send('POST', '/auth/refresh', {
        json: { refreshToken: tokensOf(third).refreshToken },
      });
      await stage.send('POST', '/auth/refresh', { json: { refreshToken: 'never given to anybody' } });
      await stage.send('POST', '/auth/refresh', { json: { refreshToken: '' } });
      await signIn(stage, bruno);
    },
  },
  {
    name: 'a logout ends the session, and not the access token',
    async run(stage) {
      const bruno = stage.person('bruno');
      const { refreshToken } = bruno;
      await stage.send('POST', '/auth/logout', { json: { refreshToken } });
      await stage.send('POST', '/auth/logout', {
        as: stage.person('anna'),
        json: { refreshToken: 'unknown' },
      });
      await stage.send('POST', '/auth/logout', { as: bruno, json: { refreshToken } });
      await stage.send('POST', '/auth/logout', { as: bruno, json: { refreshToken } });
      await stage.send('POST', '/auth/refresh', { json: { refreshToken } });
      await stage.send('GET', '/users/me', { as: bruno });
      await signIn(stage, bruno);
    },
  },
  {
    name: 'a new password ends all other sessions',
    async run(stage) {
      const dana = await enter(stage, 'dana');
      const phone = await signIn(stage, dana);
      const change = { currentPassword: dana.password, newPassword: 'another password of dana' };
      await stage.send('PUT', '/users/me/password', {
        as: phone,
        json: { ...change, currentPassword: 'wrong' },
      });
      await stage.send('PUT', '/users/me/password', { as: phone, json: { ...change, newPassword: 'short' } });
      await stage.send('PUT', '/users/me/password', { json: change });
      await stage.send('PUT', '/users/me/password', { as: phone, json: change });
      await stage.send('POST', '/auth/refresh', { json: { refreshToken: dana.refreshToken } });
      const refreshed = await stage.send('POST', '/auth/refresh', {
        json: { refreshToken: phone.refreshToken },
      });
      await stage.send('POST', '/auth/login', { json: { email: dana.email, password: dana.password } });
      const now = { ...dana, ...tokensOf(refreshed), password: change.newPassword };
      stage.people.set('dana', now);
      await signIn(stage, now);
      await stage.settle();
    },
  },
  {
    name: 'people see and change themselves, and nobody else',
    async run(stage) {
      const [anna, bruno, sam, admin] = ['anna', 'bruno', 'sam', 'admin'].map(stage.person);
      const me = await stage.send('GET', '/users/me', { as: anna });
      const etag = me.header('etag')!;
      const path = `/users/${anna!.id}`;
      await stage.send('GET', path, { as: anna });
      await stage.send('GET', path.toUpperCase().replace('/USERS', '/users'), { as: anna });
      for (const as of [bruno, sam, admin, undefined]) await stage.send('GET', path, { as });
      for (const id of [NOBODY, 'me%20too', '%00', '..%2fme'])
        await stage.send('GET', `/users/${id}`, { as: admin });
      await stage.send('GET', path, { as: anna, headers: { 'if-none-match': etag } });
      await stage.send('GET', path, { as: anna, headers: { 'if-none-match': '"0.none"' } });
      await stage.send('PATCH', path, { as: bruno, json: { username: 'mine now' } });
      await stage.send('PATCH', path, {
        as: anna,
        json: { username: 'Anna B.' },
        headers: { 'if-match': etag },
      });
      await stage.send('PATCH', path, {
        as: anna,
        json: { username: 'late' },
        headers: { 'if-match': etag },
      });
      await stage.send('PATCH', path, { as: anna, json: { email: bruno!.email } });
      await stage.send('PATCH', path, { as: anna, json: { username: 'bruno' } });
      await stage.send('PATCH', path, { as: anna, json: { role: 'admin' } });
      await stage.send('PATCH', path, { as: anna, json: {} });
      await stage.send('PUT', path, { as: admin, json: { email: 'anna.b@example.com' } });
      await stage.send('PUT', path, { as: anna, json: { email: anna!.email, username: 'anna' } });
    },
  },
  {
    name: 'an admin lists users and gives roles',
    async run(stage) {
      const [anna, sam, admin] = ['anna', 'sam', 'admin'].map(stage.person);
      for (const as of [undefined, anna, sam]) await stage.send('GET', '/users', { as });
      const first = await stage.send('GET', '/users?limit=2', { as: admin });
      const next = await stage.send('GET', `/users?limit=2&cursor=${first.body.nextCursor}`, { as: admin });
      await stage.send('GET', `/users?limit=1000&cursor=${next.body.nextCursor}`, { as: admin });
      await stage.send('GET', `/users?role=staff&cursor=${first.body.nextCursor}`, { as: admin });
      await stage.send('GET', '/users?role=staff', { as: admin });
      await stage.send('GET', '/users?email=Anna@Example.com', { as: admin });
      for (const query of [
        'limit=0',
        'limit=ten',
        'role=king',
        'email=nobody',
        'cursor=forged',
        'limit=1&limit=2',
        'role=',
      ]) {
        await stage.send('GET', `/users?${query}`, { as: admin });
      }
      const role = { role: 'staff' };
      await stage.send('PUT', `/users/${anna!.id}/role`, { as: anna, json: role });
      await stage.send('PUT', `/users/${anna!.id}/role`, { as: sam, json: role });
      await stage.send('PUT', `/users/${anna!.id}/role`, { as: admin, json: { role: 'king' } });
      await stage.send('PUT', `/users/${NOBODY}/role`, { as: admin, json: role });
      await stage.send('PUT', `/users/${anna!.id}/role`, { as: admin, json: { role: 'customer' } });
      await stage.send('PUT', `/users/${admin!.id}/role`, { as: admin, json: { role: 'customer' } });
      await stage.send('DELETE', `/users/${admin!.id}`, { as: admin });
    },
  },
];

/** Last of all: what is left of somebody who goes. */
export const farewell: readonly Scenario[] = [
  {
    name: 'an erased user leaves orders behind, and nothing personal',
    async run(stage) {
      const [anna, sam] = ['anna', 'sam'].map(stage.person);
      const emil = await enter(stage, 'emil');
      const json = {
        items: [{ sku: 'TEA-100', quantity: 1 }],
        currency: 'GBP',
        payment: { method: 'card', token: 'tok_ok' },
        shippingAddress: { name: 'Emil', city: 'Leeds' },
      };
      const order = await stage.send('POST', '/orders', { as: emil, key: 'farewell', json });
      // His mail goes out while there is somebody to write to.
      await stage.settle();
      await stage.send('DELETE', `/users/${emil.id}`, { as: anna });
      await stage.send('DELETE', `/users/${emil.id}`, { as: sam });
      await stage.send('DELETE', `/users/${emil.id}`, { as: emil });
      await stage.send('DELETE', `/users/${emil.id}`, { as: emil });
      await stage.settle();
      await stage.send('GET', '/users/me', { as: emil });
      await stage.send('POST', '/auth/login', { json: { email: emil.email, password: emil.password } });
      await stage.send('POST', '/auth/refresh', { json: { refreshToken: emil.refreshToken } });
      const all = '?expand=user,items.product,payment';
      await stage.eventually(
        'GET',
        `/orders/${order.body.id}${all}`,
        { as: sam },
        ({ body }) => body.items[0].product.variants[0].stock.reserved === 0,
      );
      await stage.send('GET', `/orders/${order.body.id}`, { as: emil });
      await stage.send('POST', '/orders', { as: emil, key: 'farewell', json });
      // The address may have an account again.
      await enter(stage, 'emil');
    },
  },
];
