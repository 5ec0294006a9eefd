import { describe, expect, it } from '@jest/globals';
import { createServiceAuth, serviceAuthKeys } from './service-auth.ts';
import { createManualClock } from './time.ts';

const OLD = `old:${'o'.repeat(40)}`;
const NEW = `new:${'n'.repeat(40)}`;

const pair = (signer: string, verifier = signer) => {
  const clock = createManualClock();
  return {
    clock,
    api: createServiceAuth({ self: 'api', keys: serviceAuthKeys.parse(signer), clock }),
    gateway: createServiceAuth({ self: 'gateway', keys: serviceAuthKeys.parse(verifier), clock }),
    user: createServiceAuth({ self: 'user', keys: serviceAuthKeys.parse(verifier), clock }),
  };
};

describe('service tokens', () => {
  it('tell the callee who calls, and only the callee', async () => {
    const { api, gateway, user } = pair(OLD);
    const token = await api.sign('gateway');
    await expect(gateway.verify(token)).resolves.toEqual({ service: 'api' });
    await expect(user.verify(token)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  it('die after a minute, and are renewed before', async () => {
    const { api, gateway, clock } = pair(OLD);
    const token = await api.sign('gateway');
    await clock.advance(45_000);
    expect(await api.sign('gateway')).not.toBe(token);
    await clock.advance(60_000);
    await expect(gateway.verify(token)).rejects.toMatchObject({ code: 'expired_token' });
  });

  it('rotate: the new key is accepted while the old one still signs, and the other way round', async () => {
    const before = pair(OLD, `${OLD},${NEW}`);
    await expect(before.gateway.verify(await before.api.sign('gateway'))).resolves.toBeDefined();
    const after = pair(`${NEW},${OLD}`, `${OLD},${NEW}`);
    await expect(after.gateway.verify(await after.api.sign('gateway'))).resolves.toBeDefined();
    const done = pair(OLD, NEW);
    await expect(done.gateway.verify(await done.api.sign('gateway'))).rejects.toMatchObject({
      code: 'invalid_token',
    });
  });

  it('refuse garbage and unsigned tokens', async () => {
    const { gateway } = pair(OLD);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"iss":"api","aud":"gateway"}').toString('base64url')}.`;
    for (const token of ['', 'x', 'a.b.c', unsigned])
      await expect(gateway.verify(token)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  it('need keys that are long enough', () => {
    for (const bad of ['short:abc', 'nocolon', `:${'x'.repeat(40)}`, ''])
      expect(serviceAuthKeys.safeParse(bad).success).toBe(false);
  });
});
