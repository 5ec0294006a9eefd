import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, type Harness, startHarness, type TestPerson } from '../testing/user-harness.ts';

const PARTNER = '0x2222222222222222222222222222222222222222';

describe('rewards', () => {
  let h: Harness;
  let ada: TestPerson;
  const campaign = (id: string, more: Record<string, unknown>) =>
    h.internal('PUT', `/internal/rewards/campaigns/${id}`, {
      title: id,
      budget: '1000000',
      startsAt: '2020-01-01T00:00:00Z',
      ...more,
    });
  const rewardsOf = async (p: TestPerson) =>
    (await h.call('GET', '/v1/me/rewards', { token: p.accessToken })).body.data as {
      campaign: string;
      state: string;
      paid: boolean;
    }[];
  const states = async (p: TestPerson, id: string) =>
    (await rewardsOf(p))
      .filter((a) => a.campaign === id)
      .map((a) => a.state)
      .sort();

  beforeAll(async () => {
    h = await startHarness({ PAYOUT_INTERVAL_MS: '200' });
    ada = await h.signIn();
  }, 60_000);
  afterAll(() => h?.stop());

  it('promises at first sight, posts when confirmed, and takes back what the chain takes back', async () => {
    await campaign('partner-points', {
      currency: 'points',
      rule: { on: 'transfer.in', amount: '10', counterparties: [PARTNER], window: { max: 3, hours: 1 } },
    });
    const keys = h.gateway.mine([
      { from: PARTNER, to: ada.address, amount: 5n },
      { from: PARTNER, to: ada.address, amount: 5n },
    ]);
    await eventually(
      'pending',
      async () => (await states(ada, 'partner-points')).join() === 'pending,pending',
    );
    h.gateway.stage(keys, 'confirmed');
    await eventually('posted', async () => (await states(ada, 'partner-points')).join() === 'posted,posted');
    h.gateway.stage(keys.slice(0, 1), 'reverted');
    await eventually(
      'clawed back',
      async () => (await states(ada, 'partner-points')).join() === 'clawed-back,posted',
    );
    const more = h.gateway.mine([1, 2, 3].map(() => ({ from: PARTNER, to: ada.address, amount: 5n })));
    h.gateway.stage(more, 'confirmed');
    await eventually(
      'capped',
      async () => (await states(ada, 'partner-points')).join() === 'clawed-back,posted,posted,posted',
    );
    const points = (await h.call('GET', '/v1/me/ledger/balances', { token: ada.accessToken })).body.data.find(
      (b: { assetId: string }) => b.assetId === 'points:rejuve',
    );
    expect(points.balance.raw).toBe('30');
    const inbox = (await h.call('GET', '/v1/notifications', { token: ada.accessToken })).body.data;
    expect(inbox.filter((n: { type: string }) => n.type === 'reward.posted')).toHaveLength(4);
  });

  it('never spends more than the budget, whatever is awarded at once', async () => {
    await campaign('tight', { currency: 'points', budget: '55', rule: { on: 'manual.tight', amount: '10' } });
    const people = await Promise.all(Array.from({ length: 4 }, () => h.signIn()));
    const award = (i: number) =>
      h.internal('POST', '/internal/rewards/campaigns/tight/awards', {
        personId: people[i % 4]?.personId,
        key: `award-${i % 12}-x`,
      });
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => award(i)));
    expect(answers.filter((a) => a.status === 201)).toHaveLength(5);
    expect(answers.every((a) => [200, 201, 409].includes(a.status))).toBe(true);
    const [row] = await h.query(`select committed from reward_campaigns where id = 'tight'`);
    expect(row.committed).toBe('50');
  });

  it('pays RJV once through the gateway, all awards of a wallet together', async () => {
    const transactions = new Map<string, { id: string; state: string; args: string[] }>();
    let asked = 0;
    h.gateway.answer = (method, path, body) => {
      if (method === 'POST' && path === '/v1/transactions') {
        asked++;
        const { requestedBy, args } = body as { requestedBy: string; args: string[] };
        const known = transactions.get(requestedBy) ?? {
          id: `tx-${transactions.size}`,
          state: 'queued',
          args,
        };
        transactions.set(requestedBy, known);
        // The first answer is lost: the same payout asks again with the same key.
        if (asked === 1) return { status: 503, body: { code: 'dependency_unavailable', detail: 'lost' } };
        return { status: 202, body: known };
      }
      const id = /^\/v1\/transactions\/(.+)$/.exec(path)?.[1];
      const found = [...transactions.values()].find((t) => t.id === id);
      return found ? { status: 200, body: { ...found, state: 'confirmed' } } : undefined;
    };
    await campaign('cash', {
      currency: 'rjv',
      budget: '10000000',
      rule: { on: 'manual.cash', amount: '1500000' },
    });
    for (const key of ['cash-award-1', 'cash-award-2']) {
      const answer = await h.internal('POST', '/internal/rewards/campaigns/cash/awards', {
        personId: ada.personId,
        key,
        wallet: ada.address,
      });
      expect(answer).toMatchObject({ status: 201 });
    }
    await eventually(
      'paid',
      async () =>
        (await h.query(`select 1 from reward_payouts where state = 'confirmed'`)).length > 0 &&
        (await h.query(`select 1 from reward_payouts where state <> 'confirmed'`)).length === 0,
    );
    const total = [...transactions.values()].reduce((sum, t) => sum + BigInt(t.args[1] as string), 0n);
    expect(total).toBe(3_000_000n);
    await eventually('settled', async () => {
      const owed = (await h.call('GET', '/v1/me/ledger/balances', { token: ada.accessToken })).body.data.find(
        (b: { assetId: string }) => b.assetId === 'owed:rjv',
      );
      return owed?.balance.raw === '0';
    });
    expect((await rewardsOf(ada)).filter((a) => a.campaign === 'cash').every((a) => a.paid)).toBe(true);
  });
});
