import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../tools/testing/eventually.ts';
import { WALLET } from '../docs/examples.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';
import { commitmentOf } from './anchor-revocations.ts';

describe('revocations', () => {
  let h: ApiHarness;
  let ada: string;
  beforeAll(async () => {
    h = await startApiHarness({ SETTLE_MS: '200' });
    h.user.owners.set(WALLET, 'ada');
    ada = await h.user.accessToken('ada', { expiresInSeconds: 3_600 });
  }, 60_000);
  afterAll(() => h?.stop());

  const revoke = (productId: number) =>
    h.call('POST', '/v1/permissions/revoke', {
      token: ada,
      body: {
        owner: WALLET,
        dataHash: `0x${'cd'.repeat(32)}`,
        productId: String(productId),
        requesterId: '1',
      },
    });
  const history = async () =>
    (await h.call('GET', `/v1/permissions/history?owner=${WALLET}`, { token: ada })).body.data;
  const sent = () =>
    [...h.gateway.transactions.values()].filter(({ purpose }) => purpose === 'revocation-anchor');

  it('are anchored in the attestation contract by salted commitments, once each, also when the gateway was away', async () => {
    h.gateway.fail = { status: 503, code: 'dependency_unavailable' };
    for (let n = 1; n <= 3; n++) expect((await revoke(n)).status).toBe(200);
    await eventually(async () =>
      expect((await history()).every((one: { anchor: unknown }) => one.anchor !== null)).toBe(true),
    );
    expect(sent()).toHaveLength(0);
    h.gateway.fail = undefined;
    await eventually(async () => {
      for (const one of await history()) expect(one.anchor?.transactionId).toEqual(expect.any(String));
    });
    const records = await history();
    const anchored = sent().flatMap(({ args }) => (args as string[][])[0] ?? []);
    expect(anchored.sort()).toEqual(
      records.map((one: { anchor: { commitment: string } }) => one.anchor.commitment).sort(),
    );
    for (const one of records) expect(commitmentOf(one.anchor.salt, one)).toBe(one.anchor.commitment);
    // Nothing of the person is in what goes to the chain.
    expect(JSON.stringify(sent())).not.toContain('cdcdcd');
  }, 30_000);
});
