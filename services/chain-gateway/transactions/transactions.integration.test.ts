import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sql } from 'kysely';
import { AppError } from '../../../lib/errors.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { legalMovePairs } from './states.ts';
import { createTransactionSchema } from './transaction-schema.ts';

const someone = '0x00000000000000000000000000000000000A11cE';
// A busy machine is slow, not wrong.
jest.setTimeout(180_000);
let fixture: GatewayFixture;
let keys = 0;
const nextKey = () => `key-number-${++keys}`;

beforeAll(async () => {
  fixture = await createGatewayFixture({ blockTime: 1 });
  fixture.startWorker();
}, 180_000);
afterAll(() => fixture?.close());

const transfer = (amount: string, extra: object = {}) =>
  createTransactionSchema.parse({
    chainId: 31337,
    signer: 'treasury',
    contract: 'RejuveToken',
    function: 'transfer',
    args: [someone, amount],
    requestedBy: 'person-1',
    ...extra,
  });
const balanceOf = async (holder: string): Promise<bigint> => {
  const token = fixture.book.byName('RejuveToken');
  const data = token?.interface.encodeFunctionData('balanceOf', [holder]);
  return BigInt((await fixture.chain.rpc('eth_call', [{ to: token?.address, data }, 'latest'])) as string);
};

describe('a transaction', () => {
  it('goes from accepted to confirmed, once, however often it is asked for', async () => {
    const key = nextKey();
    const before = await balanceOf(someone);
    const answers = await Promise.allSettled(
      Array.from({ length: 4 }, () => fixture.service.create('api', key, transfer('100000000'))),
    );
    const views = answers.flatMap((a) => (a.status === 'fulfilled' ? [a.value.view] : []));
    expect(new Set(views.map((view) => view.id)).size).toBe(1);
    const again = await fixture.service.create('api', key, transfer('100000000'));
    expect(again).toMatchObject({ replayed: true, view: { id: views[0]?.id, state: 'queued' } });
    const done = await fixture.waitFor(again.view.id, (view) => view.state === 'confirmed');
    expect(done).toMatchObject({
      outcome: 'success',
      error: null,
      contract: 'RejuveToken',
      function: 'transfer',
    });
    expect((await balanceOf(someone)) - before).toBe(100_000_000n);
    const { rows } = await sql<{
      state: string;
    }>`SELECT state FROM transaction_events WHERE transaction_id = ${done.id} ORDER BY version`.execute(
      fixture.postgres.db,
    );
    expect([...new Set(rows.map((row) => row.state))]).toEqual([
      'queued',
      'prepared',
      'signed',
      'submitted',
      'included',
      'confirmed',
    ]);
  });

  it('refuses the key with another body', async () => {
    const key = nextKey();
    await fixture.service.create('api', key, transfer('1'));
    await expect(fixture.service.create('api', key, transfer('2'))).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  it('does not act again when the record of the answer is long gone', async () => {
    const key = nextKey();
    const { view } = await fixture.service.create('api', key, transfer('1'));
    await sql`DELETE FROM idempotency_keys WHERE key = ${key}`.execute(fixture.postgres.db);
    await expect(fixture.service.create('api', key, transfer('1'))).rejects.toThrow(view.id);
  });

  it('is rejected with the decoded custom error when it would revert', async () => {
    const { view } = await fixture.service.create('api', nextKey(), transfer((10n ** 30n).toString()));
    const done = await fixture.waitFor(view.id, (v) => v.state === 'rejected');
    expect(done.error?.code).toBe('transaction_reverted');
    expect(done.error?.message).toContain('ERC20InsufficientBalance(');
    expect(done.nonce).toBeNull();
  });

  it('is refused at once when it names what does not exist or what the policy forbids', async () => {
    await expect(
      fixture.service.create('api', nextKey(), transfer('1', { contract: 'RejuveTokn' })),
    ).rejects.toThrow(/did you mean RejuveToken/);
    await expect(
      fixture.service.create('api', nextKey(), transfer('1', { signer: 'tresury' })),
    ).rejects.toThrow(/did you mean treasury/);
    const raw = createTransactionSchema.parse({
      chainId: 31337,
      signer: 'sponsor',
      to: someone,
      value: '5',
      requestedBy: 'x',
    });
    await expect(fixture.service.create('api', nextKey(), raw)).rejects.toMatchObject({
      code: 'policy_violation',
    });
  });

  it('carries the chain coin where the policy allows it', async () => {
    const raw = createTransactionSchema.parse({
      chainId: 31337,
      signer: 'treasury',
      to: someone,
      value: '12345',
      requestedBy: 'x',
    });
    const { view } = await fixture.service.create('api', nextKey(), raw);
    await fixture.waitFor(view.id, (v) => v.state === 'confirmed');
    expect(BigInt((await fixture.chain.rpc('eth_getBalance', [someone, 'latest'])) as string)).toBe(12345n);
  });

  it('keeps a lane of many in order, without a gap', async () => {
    const before = await balanceOf(someone);
    const views = await Promise.all(
      Array.from({ length: 100 }, () => fixture.service.create('api', nextKey(), transfer('1'))),
    );
    for (const { view } of views)
      await fixture.waitFor(view.id, (v) => ['confirmed', 'finalized'].includes(v.state), 30_000);
    expect((await balanceOf(someone)) - before).toBe(100n);
    const { rows } = await sql<{ missing: number }>`
      SELECT count(*)::int AS missing FROM lanes l, generate_series(0, l.next_nonce - 1) n
      WHERE NOT EXISTS (SELECT 1 FROM nonce_slots s WHERE s.chain_id = l.chain_id AND s.signer = l.signer AND s.nonce = n)
        AND n >= (SELECT min(nonce) FROM nonce_slots s WHERE s.signer = l.signer)`.execute(
      fixture.postgres.db,
    );
    expect(rows[0]?.missing).toBe(0);
  }, 180_000);
});

describe('the database', () => {
  it('holds the same table of legal moves as the code', async () => {
    const { rows } = await sql<{
      from_state: string;
      to_state: string;
    }>`SELECT from_state, to_state FROM transaction_moves`.execute(fixture.postgres.db);
    expect(rows.map((row) => `${row.from_state}>${row.to_state}`).sort()).toEqual(
      legalMovePairs()
        .map(([a, b]) => `${a}>${b}`)
        .sort(),
    );
  });

  it('refuses an illegal move, a changed request, a changed attempt and a changed trail', async () => {
    const { view } = await fixture.service.create('api', nextKey(), transfer('1'));
    await fixture.waitFor(view.id, (v) => v.state === 'confirmed');
    const { db } = fixture.postgres;
    await expect(
      sql`UPDATE transactions SET state = 'queued' WHERE id = ${view.id}`.execute(db),
    ).rejects.toThrow(/may not move from confirmed to queued/);
    await expect(sql`UPDATE transactions SET value = 5 WHERE id = ${view.id}`.execute(db)).rejects.toThrow(
      /may not be changed/,
    );
    await expect(
      sql`UPDATE attempts SET raw = '0x' WHERE hash = ${view.hash ?? ''} OR true`.execute(db),
    ).rejects.toThrow(/may not be changed/);
    await expect(sql`DELETE FROM audit_entries`.execute(db)).rejects.toThrow(/append-only/);
  });

  it('answers a fault of the caller as an AppError', async () => {
    await expect(fixture.service.get('00000000-0000-7000-8000-000000000000')).rejects.toBeInstanceOf(
      AppError,
    );
  });
});

describe('cancel', () => {
  it('is refused for what is in a block', async () => {
    const { view } = await fixture.service.create('api', nextKey(), transfer('1'));
    await fixture.waitFor(view.id, (v) => v.state === 'confirmed');
    await expect(fixture.service.cancel('api', view.id)).rejects.toMatchObject({ code: 'conflict' });
  });
});
