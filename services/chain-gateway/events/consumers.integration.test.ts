import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createLogger } from '../../../lib/log.ts';
import { createSeededRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { testAccounts } from '../../../tools/testing/test-contracts.ts';
import { createChainReader } from '../indexer/chain-reader.ts';
import { createChainFollower } from '../indexer/follow-chain.ts';
import { followedContracts } from '../indexer/followed-contracts.ts';
import { readEvents } from '../store/event-log.ts';
import { createIndexStore } from '../store/index-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { createEventTail } from './event-tail.ts';

const log = createLogger({ service: 'test', level: 'error' });
const random = createSeededRandom(11);
let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await createGatewayFixture();
  await sql`CREATE TABLE consumer_effects (consumer int, seq bigint, PRIMARY KEY (consumer, seq))`.execute(
    fixture.postgres.db,
  );
  await sql`CREATE TABLE consumer_cursors (consumer int PRIMARY KEY, seq bigint NOT NULL)`.execute(
    fixture.postgres.db,
  );
}, 60_000);
afterAll(() => fixture?.close());

/** A consumer as the documentation asks for: effect and cursor in one transaction. Dies at random, before or after it commits. */
async function consume(
  consumer: number,
  until: () => number,
  tail: ReturnType<typeof createEventTail>,
): Promise<number[]> {
  const order: number[] = [];
  const { postgres } = fixture;
  const signal = new AbortController().signal;
  for (;;) {
    const { rows } = await sql<{
      seq: number;
    }>`SELECT seq FROM consumer_cursors WHERE consumer = ${consumer}`.execute(postgres.db);
    const after = rows[0]?.seq ?? 0;
    if (after >= until()) return order;
    await tail.wait(after, 100, signal);
    const events = await readEvents(postgres.db, after, 1 + Math.floor(random.float() * 20));
    try {
      await postgres.transaction(async (trx) => {
        for (const event of events)
          await sql`INSERT INTO consumer_effects VALUES (${consumer}, ${event.seq}::bigint)`.execute(trx);
        const last = events.at(-1)?.seq;
        if (last) {
          await sql`
            INSERT INTO consumer_cursors VALUES (${consumer}, ${last}::bigint) ON CONFLICT (consumer) DO UPDATE SET seq = EXCLUDED.seq`.execute(
            trx,
          );
        }
        if (random.float() < 0.2) throw new Error('killed before it committed');
      });
      order.push(...events.map((event) => Number(event.seq)));
    } catch (error) {
      if (!(error as Error).message.startsWith('killed')) throw error;
    }
  }
}

describe('four consumers that are killed at random', () => {
  it('see every event exactly once in effect and in order, while blocks come and go', async () => {
    const rpc = createDirectRpc(fixture.chain.url);
    const contracts = await followedContracts(rpc, fixture.book);
    const follower = createChainFollower({
      reader: createChainReader({ rpc, contracts }),
      store: createIndexStore(fixture.postgres, 31337, 2),
      log,
      startBlock: Math.min(...contracts.map((c) => c.fromBlock)),
    });
    const tail = createEventTail({ postgres: fixture.postgres, clock: systemClock, log });
    const signal = new AbortController().signal;
    let last = Number.MAX_SAFE_INTEGER;
    const consumers = [1, 2, 3, 4].map((consumer) => consume(consumer, () => last, tail));
    const token = fixture.book.byName('RejuveToken');
    for (let round = 0; round < 40; round++) {
      const data = token?.interface.encodeFunctionData('transfer', [
        `0x${(700 + (round % 3)).toString(16).padStart(40, '0')}`,
        1n,
      ]);
      await fixture.chain.rpc('eth_sendTransaction', [
        { from: testAccounts.treasury.address, to: token?.address, data },
      ]);
      if (round % 10 === 9) await fixture.chain.reorg(2);
      for (let i = 0; i < 20 && !(await follower.step(signal)); i++);
    }
    const { rows } = await sql<{ last_seq: number }>`SELECT last_seq FROM event_log_head`.execute(
      fixture.postgres.db,
    );
    last = rows[0]?.last_seq ?? 0;
    const orders = await Promise.all(consumers);
    tail.close();
    expect(last).toBeGreaterThan(60);
    const expected = Array.from({ length: last }, (_, i) => i + 1);
    for (const order of orders) expect(order).toEqual(expected);
    const { rows: effects } = await sql<{
      count: number;
    }>`SELECT count(*)::int AS count FROM consumer_effects`.execute(fixture.postgres.db);
    expect(effects[0]?.count).toBe(last * 4);
  }, 120_000);
});
