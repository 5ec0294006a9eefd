import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sql } from 'kysely';
import { createLogger } from '../../../lib/log.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import { reconcileBalances } from '../reconciler/reconcile-balances.ts';
import { pendingBackfills } from '../store/backfill-store.ts';
import { dropOldEvents, eventLogBounds, readEvents } from '../store/event-log.ts';
import { saveFollowedContracts } from '../store/followed-contract-store.ts';
import { createIndexStore } from '../store/index-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { indexRows } from '../testing/index-rows.ts';
import { openReplay } from '../testing/replay.ts';
import { backfillContracts } from './backfill-contracts.ts';
import { createChainReader } from './chain-reader.ts';
import { createChainFollower } from './follow-chain.ts';
import { followedContracts } from './followed-contracts.ts';
import type { FollowedContract } from './index-types.ts';

const signal = new AbortController().signal;
const log = createLogger({ service: 'test', level: 'fatal' });
// A busy machine is slow, not wrong.
jest.setTimeout(180_000);
let fixture: GatewayFixture;
let all: FollowedContract[];

beforeAll(async () => {
  fixture = await createGatewayFixture();
  all = await followedContracts(createDirectRpc(fixture.chain.url), fixture.book);
}, 180_000);
afterAll(() => fixture?.close());

async function follow(contracts: FollowedContract[], postgres = fixture.postgres): Promise<void> {
  const rpc = createDirectRpc(fixture.chain.url);
  const store = createIndexStore(postgres, 31337, 2);
  await saveFollowedContracts(postgres, 31337, contracts);
  const follower = createChainFollower({
    reader: createChainReader({ rpc, contracts }),
    store,
    log,
    startBlock: Math.min(...all.map((c) => c.fromBlock)),
    rangeBlocks: 7,
  });
  for (let i = 0; i < 500; i++) if (await follower.step(signal)) return;
}
async function send(to: string, amount: bigint): Promise<void> {
  const token = fixture.book.byName('RejuveToken');
  await fixture.chain.rpc('eth_sendTransaction', [
    {
      from: testAccounts.treasury.address,
      to: token?.address,
      data: token?.interface.encodeFunctionData('transfer', [to, amount]),
    },
  ]);
}
const holder = (n: number): string => `0x${n.toString(16).padStart(40, '0')}`;

describe('a contract that is added later', () => {
  it('is backfilled and joined to live without a gap or a double row', async () => {
    const withoutToken = all.filter((contract) => contract.name !== 'RejuveToken');
    for (let n = 0; n < 30; n++) await send(holder(1_000 + (n % 5)), 1n);
    await follow(withoutToken);
    await follow(all);
    expect(await pendingBackfills(fixture.postgres, 31337)).toHaveLength(1);
    for (let n = 0; n < 5; n++) await send(holder(1_000 + n), 1n);
    await fixture.chain.mine(20);
    await follow(all);
    const rpc = createDirectRpc(fixture.chain.url);
    const reader = createChainReader({ rpc, contracts: all });
    for (let i = 0; i < 20; i++) {
      const finalized = (await createIndexStore(fixture.postgres, 31337, 2).cursor())?.finalized ?? 0;
      await backfillContracts({
        postgres: fixture.postgres,
        reader,
        contracts: all,
        chainId: 31337,
        rangeBlocks: 7,
        finalized,
      });
    }
    expect(await pendingBackfills(fixture.postgres, 31337)).toHaveLength(0);
    const replay = await openReplay(log);
    try {
      await follow(all, replay.postgres);
      expect(await indexRows(fixture.postgres.db)).toEqual(await indexRows(replay.postgres.db));
    } finally {
      await replay.close();
    }
    const events = await readEvents(fixture.postgres.db, 0, 10_000);
    expect(events.map((event) => Number(event.seq))).toEqual(events.map((_, i) => i + 1));
  }, 180_000);
});

describe('the index against the chain', () => {
  it('agrees, and a falsified row is found', async () => {
    const deps = {
      postgres: fixture.postgres,
      rpc: createDirectRpc(fixture.chain.url),
      chainId: 31337,
      sample: 500,
    };
    const good = await reconcileBalances(deps);
    expect(good.checked).toBeGreaterThan(5);
    expect(good.findings).toEqual([]);
    await sql`UPDATE token_balances SET raw = raw + 1 WHERE holder = ${testAccounts.treasury.address}`.execute(
      fixture.postgres.db,
    );
    expect((await reconcileBalances(deps)).findings).toHaveLength(1);
    await sql`UPDATE token_balances SET raw = raw - 1 WHERE holder = ${testAccounts.treasury.address}`.execute(
      fixture.postgres.db,
    );
    expect((await reconcileBalances(deps)).findings).toEqual([]);
  });
});

describe('a reorg below what was final', () => {
  it('stops the index with the reason, and a rewind brings it back', async () => {
    const store = createIndexStore(fixture.postgres, 31337, 2);
    const before = await store.cursor();
    await fixture.chain.rpc('anvil_reorg', [25, []]);
    await fixture.chain.mine(3);
    await expect(follow(all)).rejects.toThrow(/which was final when it was indexed/);
    expect((await store.cursor())?.haltedReason).toContain('final');
    const to = (before?.number ?? 0) - 30;
    const reader = createChainReader({ rpc: createDirectRpc(fixture.chain.url), contracts: all });
    const header = await reader.header(to);
    if (!header) throw new Error('no block');
    await store.rewind(header);
    await follow(all);
    const replay = await openReplay(log);
    try {
      await follow(all, replay.postgres);
      expect(await indexRows(fixture.postgres.db)).toEqual(await indexRows(replay.postgres.db));
    } finally {
      await replay.close();
    }
  }, 180_000);
});

describe('retention', () => {
  it('drops nothing while the partition is in use', async () => {
    expect(await fixture.postgres.transaction((trx) => dropOldEvents(trx, 1))).toEqual([]);
    expect((await eventLogBounds(fixture.postgres.db)).oldest).toBe(1);
  });
});
