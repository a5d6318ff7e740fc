import { uuidv7 } from 'uuidv7';
import { expect, it } from 'vitest';
import { describeContract } from '#platform/testing/contract-runners';
import { userContract } from './contract.ts';

describeContract(userContract, (run) => {
  it('profiles: shows those who are there, and leaves out everybody else', async () => {
    const { api, shop } = run();
    const one = await shop.signUp();
    const other = await shop.signUp('staff');
    const { users } = await api.profiles({ ids: [other.userId, uuidv7(), one.userId] });
    const roles = Object.fromEntries(users.map(({ id, role }) => [id, role]));
    expect(roles).toEqual({ [one.userId]: 'customer', [other.userId]: 'staff' });
    expect(await api.profiles({ ids: [] })).toEqual({ users: [] });
  });

  it('jwks: publishes keys without their private part', async () => {
    const { keys } = await run().api.jwks({});
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key).toMatchObject({ kid: expect.any(String), alg: 'EdDSA', x: expect.any(String) });
      expect(key).not.toHaveProperty('d');
    }
  });

  it('rotateKeys: publishes one key for each rotation, and keeps tokens good', async () => {
    const { api, shop } = run();
    const { token } = await shop.signUp();
    const before = await api.jwks({});
    const rotationId = uuidv7();
    const made = await api.rotateKeys({ rotationId });
    expect(await api.rotateKeys({ rotationId })).toEqual(made);
    const after = await api.jwks({});
    expect(after.keys.map(({ kid }) => kid)).toContain(made.kid);
    expect(after.keys).toHaveLength(before.keys.length + 1);
    expect((await shop.request('GET', '/orders', { token })).status).toBe(200);
  });

  it('refuses what its contract does not take, as a bug of the caller', async () => {
    const refused = run().api.profiles({ ids: ['nobody'] });
    await expect(refused).rejects.toThrow(/user\.profiles/);
    await expect(refused).rejects.not.toHaveProperty('kind');
  });
});
