import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { createLogger } from '../../../lib/log.ts';
import { systemClock } from '../../../lib/time.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import { readEvents } from '../store/event-log.ts';
import { createIndexStore } from '../store/index-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { indexRows } from '../testing/index-rows.ts';
import { openReplay } from '../testing/replay.ts';
import { createChainReader } from './chain-reader.ts';
import { createChainFollower } from './follow-chain.ts';
import { followedContracts } from './followed-contracts.ts';
import type { FollowedContract } from './index-types.ts';

const log = createLogger({ service: 'test', level: 'error' });
const signal = new AbortController().signal;
let fixture: GatewayFixture;
let contracts: FollowedContract[];

beforeAll(async () => {
  fixture = await createGatewayFixture();
  contracts = await followedContracts(createDirectRpc(fixture.chain.url), fixture.book);
}, 60_000);
afterAll(() => fixture?.close());

/** Makes the n-th statement from now fail, before or after the server has carried it out, as a cut connection does. */
function cutAt(pool: pg.Pool): { arm(n: number, after: boolean): void; fired(): boolean } {
  const state = { left: 0, after: false, fired: false };
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const wrapped = new WeakSet<object>();
  (pool as { connect: unknown }).connect = async () => {
    const client = await connect();
    if (wrapped.has(client)) return client;
    wrapped.add(client);
    client.on('error', () => undefined);
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    (client as { query: unknown }).query = async (...args: unknown[]) => {
      const text = typeof args[0] === 'string' ? args[0] : ((args[0] as { text?: string })?.text ?? '');
      const counts = state.left > 0 && !/^rollback/i.test(text);
      if (!counts || --state.left > 0) return query(...args);
      state.fired = true;
      if (state.after) await query(...args);
      // The socket goes, as with a server that dies: nobody may get this connection back from the pool.
      (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      throw new Error('the connection was cut');
    };
    return client;
  };
  return {
    arm(n, after) {
      Object.assign(state, { left: n, after, fired: false });
    },
    fired: () => state.fired,
  };
}

const followerOf = (postgres = fixture.postgres) =>
  createChainFollower({
    reader: createChainReader({ rpc: createDirectRpc(fixture.chain.url), contracts }),
    store: createIndexStore(postgres, 31337, 2),
    log,
    startBlock: Math.min(...contracts.map((c) => c.fromBlock)),
  });

async function catchUp(postgres = fixture.postgres): Promise<void> {
  const follower = followerOf(postgres);
  for (let i = 0; i < 300; i++) if (await follower.step(signal)) return;
}

/** As the process does: tries again until the pool has a good connection. */
async function recover(): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return await catchUp();
    } catch (error) {
      if (i === 10) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('an indexer whose connection is cut at every statement', () => {
  it('ends with the rows of a replay, and with a log without gap or repetition', async () => {
    await catchUp();
    const cut = cutAt(fixture.postgres.pool);
    const token = fixture.book.byName('RejuveToken');
    let crashes = 0;
    for (let n = 1; n <= 24; n++) {
      for (const after of [false, true]) {
        const data = token?.interface.encodeFunctionData('transfer', [
          `0x${(900 + (n % 4)).toString(16).padStart(40, '0')}`,
          1n,
        ]);
        const hash = await fixture.chain.rpc('eth_sendTransaction', [
          { from: testAccounts.treasury.address, to: token?.address, data },
        ]);
        // The answer comes before the block: a reorg meanwhile would leave the node with a chain that is not linked.
        while ((await fixture.chain.rpc('eth_getTransactionReceipt', [hash])) === null)
          await systemClock.sleep(5);
        // Every third round it is a rollback that is cut.
        if (n % 3 === 0) await fixture.chain.reorg(2);
        cut.arm(n, after);
        await catchUp().catch(() => undefined);
        if (cut.fired()) crashes += 1;
        cut.arm(0, false);
        await recover();
      }
    }
    expect(crashes).toBeGreaterThan(30);
    const replay = await openReplay(log);
    try {
      await catchUp(replay.postgres);
      const [ours, theirs] = [await indexRows(fixture.postgres.db), await indexRows(replay.postgres.db)];
      expect(ours.cursor).toEqual(theirs.cursor);
      expect(ours).toEqual(theirs);
    } finally {
      await replay.close();
    }
    const events = await readEvents(fixture.postgres.db, 0, 10_000);
    expect(events.map((event) => Number(event.seq))).toEqual(events.map((_, i) => i + 1));
    // Every key alternates: said, then (perhaps) taken back, never twice the same stage in a row.
    const last = new Map<string, string>();
    for (const event of events) {
      expect(last.get(event.key)).not.toBe(event.stage);
      last.set(event.key, event.stage);
    }
  }, 180_000);
});
