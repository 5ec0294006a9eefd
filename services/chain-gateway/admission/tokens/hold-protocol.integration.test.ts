import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createTestRedis, type TestRedis } from '../../../../tools/testing/test-redis.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import { createTokenLedgerFixture, type TokenLedgerFixture } from '../../testing/token-ledger-fixture.ts';
import type { Hold } from '../principal.ts';
import { bookImbalance } from './ledger-store.ts';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const taken = (result: Hold | RpcFailure): Hold => {
  if ('ok' in result) throw new Error(`refused: ${result.message} ${result.data}`);
  return result;
};
const reasonOf = (result: Hold | RpcFailure): string =>
  'ok' in result ? String(JSON.parse(result.data ?? '{}').reason) : 'held';

jest.setTimeout(60_000);

describe('the hold protocol on real Redis and Postgres', () => {
  let redis: TestRedis;
  let fixture: TokenLedgerFixture;
  let calls = 0;
  const request = (units: number, deadlineMs = 5_000) => ({
    callId: `call-${++calls}`,
    method: 'eth_call',
    units,
    deadlineMs,
  });
  beforeAll(async () => {
    redis = await createTestRedis();
    fixture = await createTokenLedgerFixture(redis.url);
  });
  afterAll(async () => {
    await fixture.close();
    await redis.drop();
  });

  /** Everything told to Redis, posted, and every lease looked at. */
  async function settleBooks(worker: ReturnType<TokenLedgerFixture['replica']>['worker']): Promise<void> {
    await sleep(50);
    await worker.post();
    expect(await worker.reconcile()).toBe(0);
    expect(await bookImbalance(fixture.postgres.db, 60)).toBe(0);
  }

  it('holds, settles what was used, releases what was not, and posts each once', async () => {
    const { accounts, worker } = fixture.replica();
    const id = await fixture.allot({ cap: 1_000 });
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    const first = taken(await account.hold(request(300)));
    const second = taken(await account.hold(request(300)));
    first.settle(120);
    first.settle(300);
    first.release();
    second.release();
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ cap: 1_000, settled: 120, calls: 2, charged: 120 });
  });

  it('charges at most what was held, and nothing for what is refused', async () => {
    const { accounts, worker } = fixture.replica();
    const id = await fixture.allot({ cap: 500, maxPerCall: 400, maxInFlight: 2 });
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    expect(reasonOf(await account.hold(request(401)))).toBe('over_max_per_call');
    const hold = taken(await account.hold(request(400)));
    expect(reasonOf(await account.hold(request(101)))).toBe('budget_exhausted');
    const small = taken(await account.hold(request(100)));
    expect(reasonOf(await account.hold(request(1)))).toBe('too_many_in_flight');
    hold.settle(9_999);
    small.release();
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 400, charged: 400 });
    expect(reasonOf(await account.hold(request(101)))).toBe('budget_exhausted');
    taken(await account.hold(request(100))).settle(100);
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 500, uncollected: 0 });
    expect(reasonOf(await account.hold(request(1)))).toBe('budget_exhausted');
  });

  it('returns the hold and the slot of a call that nobody ended', async () => {
    const { accounts, worker, purse, ledger } = fixture.replica();
    const id = await fixture.allot({ cap: 100, maxInFlight: 1 });
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    taken(await account.hold(request(100)));
    expect(reasonOf(await account.hold(request(1)))).toBe('too_many_in_flight');
    // As if its deadline had passed: what a killed replica leaves behind.
    await purse.hold({
      generation: ledger.generation(),
      allotmentId: id,
      epoch: 1,
      callId: 'other',
      units: 1,
      expiresInMs: 1,
      method: 'eth_call',
    });
    const { accounts: quick } = fixture.replica();
    const abandoned = await fixture.allot({ cap: 100, maxInFlight: 1 });
    await quick.open({ allotmentId: abandoned, epoch: 1 }).hold({ ...request(100), deadlineMs: -4_950 });
    await sleep(80);
    taken(await quick.open({ allotmentId: abandoned, epoch: 1 }).hold(request(100))).settle(60);
    await settleBooks(worker);
    expect(await fixture.budget(abandoned)).toMatchObject({ settled: 60, calls: 2 });
  });

  it('revokes at once on every replica; what is under way still settles', async () => {
    const [one, two] = [fixture.replica(), fixture.replica()];
    const id = await fixture.allot();
    const under = taken(await one.accounts.open({ allotmentId: id, epoch: 1 }).hold(request(50)));
    taken(await two.accounts.open({ allotmentId: id, epoch: 1 }).hold(request(50))).release();
    await fixture.postgres.pool.query(
      'UPDATE gateway.call_token_allotments SET epoch = 2, revoked_at = now() WHERE id = $1',
      [id],
    );
    await one.purse.revoke(one.ledger.generation(), id, 2);
    for (const { accounts } of [one, two])
      expect(reasonOf(await accounts.open({ allotmentId: id, epoch: 1 }).hold(request(1)))).toBe(
        'token_revoked',
      );
    under.settle(50);
    await settleBooks(one.worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 50 });
  });

  it('leases again when Redis lost everything: charged at most once, at most the cap', async () => {
    const { accounts, worker, ledger } = fixture.replica({ chunk: 200 });
    const id = await fixture.allot({ cap: 1_000 });
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    taken(await account.hold(request(100))).settle(100);
    await settleBooks(worker);
    const before = ledger.generation();
    const lost = taken(await account.hold(request(100)));
    await redis.flush();
    taken(await account.hold(request(150))).settle(150);
    lost.settle(100);
    expect(ledger.generation()).not.toBe(before);
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 250, uncollected: 0 });
    let spent = 250;
    for (;;) {
      const hold = await account.hold(request(50));
      if ('ok' in hold) {
        if (reasonOf(hold) !== 'budget_exhausted') {
          await worker.post();
          continue;
        }
        break;
      }
      hold.settle(50);
      spent += 50;
      await sleep(2);
      await worker.post();
    }
    expect(spent).toBe(1_000);
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 1_000, held: 0 });
  });

  it('takes a lease back when Redis went back in time', async () => {
    const { accounts, worker, purse, ledger } = fixture.replica();
    const id = await fixture.allot({ cap: 1_000 });
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    const generation = ledger.generation() || (await ledger.agree());
    taken(await account.hold(request(100))).settle(100);
    await settleBooks(worker);
    // What an older snapshot looks like: the same generation, without what was settled since.
    await redis.flush();
    await purse.setGeneration(generation);
    await purse.load({
      generation,
      allotmentId: id,
      epoch: 1,
      lease: 1,
      granted: 1_000,
      maxInFlight: 10,
      maxPerCall: 1_000,
      validAfter: 0,
      validBefore: Date.now() + 60_000,
      price: 1,
    });
    expect(await worker.reconcile()).toBe(100);
    expect(await worker.reconcile()).toBe(100);
    for (let i = 0; i < 3; i++) await worker.reconcile();
    expect(await worker.reconcile()).toBe(0);
    expect(await fixture.budget(id)).toMatchObject({ settled: 100, held: 0 });
    taken(await account.hold(request(900))).settle(900);
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 1_000, uncollected: 0 });
  });

  it('refuses without charging while the books are too far behind', async () => {
    const { accounts, worker } = fixture.replica({ chunk: 100 });
    const id = await fixture.allot({ cap: 1_000 });
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    taken(await account.hold(request(100))).settle(100);
    // One chunk is out and nobody posts: the operator risks no second one.
    expect(reasonOf(await account.hold(request(100, 200)))).toBe('accounting_unavailable');
    await worker.post();
    taken(await account.hold(request(100))).settle(100);
    await settleBooks(worker);
    expect(await fixture.budget(id)).toMatchObject({ settled: 200 });
  });
});
