import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Wallet } from 'ethers';
import { type Harness, startHarness } from '../testing/user-harness.ts';

describe('wallets of a person', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await startHarness();
  }, 60_000);
  afterAll(() => h?.stop());

  const list = async (personId: string) =>
    (await h.internal('GET', `/internal/people/${personId}/wallets`)).body.data as {
      address: string;
      proof: string;
      primary: boolean;
      label: string | null;
    }[];
  const primaries = async (personId: string) =>
    (await list(personId)).filter((wallet) => wallet.primary).map((wallet) => wallet.address);

  it('have one primary: the oldest until another is chosen, and again when that one goes', async () => {
    const ada = await h.signIn();
    const second = Wallet.createRandom();
    await h.linkWallet(ada.personId, second);
    expect(await primaries(ada.personId)).toEqual([ada.address]);
    const path = `/internal/people/${ada.personId}/wallets`;
    const changed = await h.internal('PATCH', `${path}/${second.address}`, { primary: true });
    expect(changed).toMatchObject({ status: 200, body: { primary: true, label: null } });
    expect(await primaries(ada.personId)).toEqual([second.address]);
    // Chosen again a moment later, whatever the clock says.
    await h.internal('PATCH', `${path}/${ada.address}`, { primary: true });
    expect(await primaries(ada.personId)).toEqual([ada.address]);
    await h.internal('PATCH', `${path}/${second.address}`, { primary: true, label: 'Phone' });
    expect((await h.internal('DELETE', `${path}/${second.address}`)).status).toBe(204);
    expect(await primaries(ada.personId)).toEqual([ada.address]);
  });

  it('can be watched without proof, which gives no rights, and become linked by proof', async () => {
    const [ada, bob] = [await h.signIn(), await h.signIn()];
    const path = `/internal/people/${ada.personId}/wallets`;
    // Somebody else's wallet: watching it takes nothing from him and tells nobody whose it is.
    const watched = await h.internal('PUT', `${path}/${bob.address}/watch`, { label: 'Bob' });
    expect(watched).toMatchObject({ status: 200, body: { proof: 'none', primary: false, label: 'Bob' } });
    expect((await h.internal('GET', `/internal/wallets/${bob.address}`)).body.personId).toBe(bob.personId);
    const nobodys = Wallet.createRandom();
    await h.internal('PUT', `${path}/${nobodys.address}/watch`, { label: 'Cold' });
    expect((await h.internal('GET', `/internal/wallets/${nobodys.address}`)).status).toBe(404);
    expect(await h.internal('PATCH', `${path}/${nobodys.address}`, { primary: true })).toMatchObject({
      status: 422,
      body: { code: 'invalid_argument', errors: [{ pointer: '/primary' }] },
    });
    await h.linkWallet(ada.personId, nobodys);
    expect((await list(ada.personId)).find((wallet) => wallet.address === nobodys.address)).toMatchObject({
      proof: 'signature',
      label: 'Cold',
    });
    // Watching what is linked changes nothing; a watched one goes without ceremony.
    await h.internal('PUT', `${path}/${nobodys.address}/watch`, {});
    expect((await list(ada.personId)).filter((wallet) => wallet.proof === 'none')).toHaveLength(1);
    expect((await h.internal('DELETE', `${path}/${bob.address}`)).status).toBe(204);
    expect((await h.internal('DELETE', `${path}/${bob.address}`)).status).toBe(404);
  });

  it('that are watched are bounded in number', async () => {
    const ada = await h.signIn();
    const answers: number[] = [];
    for (let i = 0; i < 51; i++)
      answers.push(
        (
          await h.internal(
            'PUT',
            `/internal/people/${ada.personId}/wallets/${Wallet.createRandom().address}/watch`,
            {},
          )
        ).status,
      );
    expect(answers.slice(0, 50).every((status) => status === 200)).toBe(true);
    expect(answers[50]).toBe(409);
  });
});
