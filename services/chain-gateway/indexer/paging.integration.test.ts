import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../../lib/log.ts';
import { createSeededRandom } from '../../../lib/random.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import { saveFollowedContracts } from '../store/followed-contract-store.ts';
import { createIndexStore } from '../store/index-store.ts';
import { listTransfers, type Position, type TransferRow } from '../store/read-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { createChainReader } from './chain-reader.ts';
import { createChainFollower } from './follow-chain.ts';
import { followedContracts } from './followed-contracts.ts';

const log = createLogger({ service: 'test', level: 'fatal' });
const signal = new AbortController().signal;
jest.setTimeout(180_000);
let fixture: GatewayFixture;
beforeAll(async () => {
  fixture = await createGatewayFixture();
}, 180_000);
afterAll(() => fixture?.close());

/** Pages are read while blocks and reorgs arrive between any two of them, as they do for an app that scrolls. */
it('lists what stays on the chain exactly once, whatever happens between two pages', async () => {
  const random = createSeededRandom(20_261_123);
  const between = (low: number, high: number): number => low + Math.floor(random.float() * (high - low + 1));
  const rpc = createDirectRpc(fixture.chain.url);
  const contracts = await followedContracts(rpc, fixture.book);
  await saveFollowedContracts(fixture.postgres, 31337, contracts);
  const follower = createChainFollower({
    reader: createChainReader({ rpc, contracts }),
    store: createIndexStore(fixture.postgres, 31337, 2),
    log,
    startBlock: Math.min(...contracts.map((contract) => contract.fromBlock)),
    rangeBlocks: 7,
  });
  const catchUp = async (): Promise<void> => {
    for (let i = 0; i < 500; i++) if (await follower.step(signal)) return;
  };
  const token = fixture.book.byName('RejuveToken');
  const holder = `0x${'77'.repeat(20)}`;
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++)
      await fixture.chain.rpc('eth_sendTransaction', [
        {
          from: testAccounts.treasury.address,
          to: token?.address,
          data: token?.interface.encodeFunctionData('transfer', [holder, BigInt(n + 1)]),
        },
      ]);
  };
  const keyOf = (row: TransferRow): string => `${row.block_hash}:${row.log_index}:${row.item}`;
  const read = (before: Position | undefined, limit: number) =>
    listTransfers(fixture.postgres.db, { chainId: 31337, address: holder }, { before, limit });

  await send(40);
  await catchUp();
  for (let round = 0; round < 3; round++) {
    const atFirst = new Set((await read(undefined, 1_000)).map(keyOf));
    const seen: string[] = [];
    let before: Position | undefined;
    for (;;) {
      const page = await read(before, between(1, 9));
      seen.push(...page.map(keyOf));
      const last = page.at(-1);
      if (last === undefined) break;
      before = { block: last.block_number, logIndex: last.log_index, item: last.item };
      if (random.float() < 0.5) await send(between(1, 3));
      if (random.float() < 0.4) await fixture.chain.reorg(between(1, 6));
      await catchUp();
    }
    const atLast = new Set((await read(undefined, 1_000)).map(keyOf));
    const lasting = [...atFirst].filter((key) => atLast.has(key));
    expect(lasting.length).toBeGreaterThan(20);
    expect(new Set(seen).size).toBe(seen.length);
    expect(lasting.filter((key) => !seen.includes(key))).toEqual([]);
  }
});
