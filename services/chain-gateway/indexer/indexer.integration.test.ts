import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sql } from 'kysely';
import { createLogger } from '../../../lib/log.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import { readEvents } from '../store/event-log.ts';
import { createIndexStore } from '../store/index-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { indexRows } from '../testing/index-rows.ts';
import { openReplay } from '../testing/replay.ts';
import { type ChainReader, createChainReader } from './chain-reader.ts';
import { type ChainFollower, createChainFollower } from './follow-chain.ts';
import { followedContracts } from './followed-contracts.ts';

const CONFIRMATIONS = 3;
const signal = new AbortController().signal;
const log = createLogger({ service: 'test', level: 'error' });
// A busy machine is slow, not wrong.
jest.setTimeout(180_000);
let fixture: GatewayFixture;
let follower: ChainFollower;

beforeAll(async () => {
  fixture = await createGatewayFixture();
  await fixture.chain.rpc('evm_setAutomine', [false]);
  follower = await createFollower();
}, 180_000);
afterAll(() => fixture?.close());

async function createFollower(postgres = fixture.postgres): Promise<ChainFollower> {
  const rpc = createDirectRpc(fixture.chain.url);
  const contracts = await followedContracts(rpc, fixture.book);
  return createChainFollower({
    reader: finalFarDown(createChainReader({ rpc, contracts })),
    store: createIndexStore(postgres, 31337, CONFIRMATIONS),
    log,
    startBlock: Math.min(...contracts.map((c) => c.fromBlock)),
  });
}
/** Final only 70 blocks down, as on Ethereum, so that reorgs of 64 blocks stay above what is final. */
const finalFarDown = (reader: ChainReader): ChainReader => ({
  ...reader,
  async header(tag) {
    if (tag !== 'finalized') return reader.header(tag);
    const head = await reader.header('latest');
    return reader.header(Math.max(0, (head?.number ?? 0) - 70));
  },
});
async function catchUp(): Promise<void> {
  for (let i = 0; i < 200; i++) if (await follower.step(signal)) return;
  throw new Error('the follower does not reach the head');
}
async function send(to: string, amount: bigint): Promise<void> {
  const token = fixture.book.byName('RejuveToken');
  const data = token?.interface.encodeFunctionData('transfer', [to, amount]);
  await fixture.chain.rpc('eth_sendTransaction', [
    { from: testAccounts.treasury.address, to: token?.address, data, gas: '0x30000' },
  ]);
}
const holder = (n: number): string => `0x${n.toString(16).padStart(40, '0')}`;

async function balances(): Promise<Map<string, bigint>> {
  const { rows } = await sql<{
    holder: string;
    raw: string;
  }>`SELECT holder, raw::text FROM token_balances`.execute(fixture.postgres.db);
  return new Map(rows.map((row) => [row.holder.toLowerCase(), BigInt(row.raw)]));
}
async function chainBalance(of: string): Promise<bigint> {
  const token = fixture.book.byName('RejuveToken');
  return BigInt(
    (await fixture.chain.rpc('eth_call', [
      { to: token?.address, data: token?.interface.encodeFunctionData('balanceOf', [of]) },
      'latest',
    ])) as string,
  );
}

describe('the indexer', () => {
  it('sums what the contract says, from the first block', async () => {
    for (let n = 1; n <= 5; n++) await send(holder(100 + n), BigInt(n));
    await fixture.chain.mine(1);
    await catchUp();
    const found = await balances();
    for (let n = 1; n <= 5; n++) expect(found.get(holder(100 + n))).toBe(await chainBalance(holder(100 + n)));
    expect(found.get(testAccounts.treasury.address.toLowerCase())).toBe(
      await chainBalance(testAccounts.treasury.address),
    );
  });

  it('gives out numbers without a gap and every stage in order', async () => {
    await fixture.chain.mine(CONFIRMATIONS);
    await catchUp();
    const events = await readEvents(fixture.postgres.db, 0, 10_000);
    expect(events.map((event) => Number(event.seq))).toEqual(events.map((_, i) => i + 1));
    const stages = new Map<string, string[]>();
    for (const event of events) stages.set(event.key, [...(stages.get(event.key) ?? []), event.stage]);
    const transfers = events.filter((e) => e.type === 'transfer.erc20' && e.data.amount === '3');
    expect(stages.get(transfers[0]?.key ?? '')?.slice(0, 2)).toEqual(['pending', 'confirmed']);
  });

  it.each([1, 2, 5, 12, 40, 64])(
    'takes back %i blocks and equals a replay from nothing',
    async (depth) => {
      for (let block = 0; block < depth; block++) {
        if (block % 4 === 0) await send(holder(200 + (block % 7)), BigInt(block + 1));
        await fixture.chain.mine(1);
      }
      await catchUp();
      const before = await readEvents(fixture.postgres.db, 0, 100_000);
      await fixture.chain.rpc('anvil_reorg', [depth, []]);
      await send(holder(300), BigInt(depth));
      await fixture.chain.mine(2);
      await catchUp();
      await expectReplay();
      const after = await readEvents(fixture.postgres.db, Number(before.at(-1)?.seq ?? 0), 100_000);
      expect(after.some((event) => event.stage === 'reverted')).toBe(true);
      const all = await readEvents(fixture.postgres.db, 0, 100_000);
      expect(all.map((event) => Number(event.seq))).toEqual(all.map((_, i) => i + 1));
    },
    60_000,
  );

  it('follows a reorg of every depth up to 64', async () => {
    await fixture.chain.mine(65);
    await catchUp();
    for (let depth = 1; depth <= 64; depth++) {
      await send(holder(500 + (depth % 5)), 1n);
      await fixture.chain.mine(1);
      await catchUp();
      await fixture.chain.rpc('anvil_reorg', [depth, []]);
      await fixture.chain.mine(1);
      await catchUp();
    }
    await expectReplay();
  }, 180_000);

  it('lets two of them run at once without a double row', async () => {
    const other = await createFollower();
    for (let n = 0; n < 20; n++) {
      await send(holder(400), 1n);
      await fixture.chain.mine(1);
    }
    const run = async (f: ChainFollower) => {
      for (let i = 0; i < 50; i++) await f.step(signal).catch(() => undefined);
    };
    await Promise.all([run(follower), run(other)]);
    await catchUp();
    await expectReplay();
  }, 180_000);
});

/** Builds the index again from nothing, in a database of its own, and compares it row for row. */
async function expectReplay(): Promise<void> {
  const replay = await openReplay(log);
  try {
    const fresh = await createFollower(replay.postgres);
    for (let i = 0; i < 500; i++) if (await fresh.step(signal)) break;
    expect(await indexRows(fixture.postgres.db)).toEqual(await indexRows(replay.postgres.db));
  } finally {
    await replay.close();
  }
}
