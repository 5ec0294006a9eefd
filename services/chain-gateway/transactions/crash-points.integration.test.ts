import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { devAccount } from '../../../contracts/dev-accounts.ts';
import { systemClock } from '../../../lib/time.ts';
import { createKeySigner } from '../signers/local-signers.ts';
import { createLaneStore, ensureLane } from '../store/lane-store.ts';
import { claimQueued, recordPreparation } from '../store/prepare-store.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, FAST_TIMING, type GatewayFixture } from '../testing/gateway-fixture.ts';
import { createLaneEngine } from './lane-engine.ts';
import type { LaneChain, LaneStore } from './lane-types.ts';
import { prepare } from './prepare.ts';
import { createRpcLaneChain } from './rpc-lane-chain.ts';
import { settleBlocks } from './settle-blocks.ts';
import { createTransactionSchema } from './transaction-schema.ts';

const someone = '0x00000000000000000000000000000000000A11cE';
const signer = createKeySigner(devAccount(1).privateKey);
let fixture: GatewayFixture;

beforeAll(async () => {
  fixture = await createGatewayFixture();
  await ensureLane(fixture.postgres, {
    chainId: 31337,
    signer: signer.address,
    pool: 'treasury',
    nextNonce: Number(await fixture.chain.rpc('eth_getTransactionCount', [signer.address, 'latest'])),
  });
}, 60_000);
afterAll(() => fixture?.close());

class Killed extends Error {}

/** Dies at the n-th boundary: before odd ones take effect, after even ones. Counts what it sees. */
function killer(at: number) {
  const state = { seen: 0 };
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, key, receiver) {
        const value = Reflect.get(object, key, receiver);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          if (++state.seen === at) throw new Killed('before');
          const result = await value.apply(object, args);
          if (++state.seen === at) throw new Killed('after');
          return result;
        };
      },
    });
  return { state, wrap };
}

/** One process life: prepares, signs, broadcasts, settles, until the transaction is confirmed or the process is killed. */
async function live(id: string, at: number): Promise<{ done: boolean; boundaries: number }> {
  const { state, wrap } = killer(at);
  const rpc = createDirectRpc(fixture.chain.url);
  const chain = wrap<LaneChain>(
    createRpcLaneChain({ rpc, chainId: 31337, monotonic: systemClock.monotonic }),
  );
  const store = wrap<LaneStore>(createLaneStore(fixture.postgres));
  const engine = createLaneEngine({
    store,
    chain,
    signer,
    clock: systemClock,
    timing: { ...FAST_TIMING, retryUnknownMs: 0, rebroadcastMs: 0 },
    feeCap: 10n ** 12n,
    maxRequeues: 3,
  });
  const before = { done: false, boundaries: 0 };
  try {
    for (let round = 0; round < 40; round++) {
      for (const candidate of await claimQueued(fixture.postgres, 31337, ['treasury'], 10)) {
        const result = await prepare(
          { rpc, chain, book: fixture.book, feeCap: 10n ** 12n, accessLists: false },
          candidate,
          signer.address,
        );
        await recordPreparation(fixture.postgres, candidate, signer.address, result, 0);
      }
      await engine.tick();
      await fixture.chain.mine(1);
      await settleBlocks({ store, chain, confirmations: 2 }, await chain.head());
      const view = await fixture.service.get(id);
      if (view.state === 'confirmed') return { done: true, boundaries: state.seen };
      await systemClock.sleep(20);
    }
    return { ...before, boundaries: state.seen };
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return { ...before, boundaries: state.seen };
  }
}

describe('a process that is killed at any boundary between saving and broadcasting', () => {
  it('leaves a state from which the next one executes the transaction exactly once', async () => {
    const request = (n: number) =>
      createTransactionSchema.parse({
        chainId: 31337,
        signer: 'treasury',
        to: someone,
        value: '1',
        requestedBy: `crash-${n}`,
      });
    const balance = async () =>
      BigInt(await fixture.chain.rpc<string>('eth_getBalance', [someone, 'latest']));
    // How many boundaries a whole life has, without dying.
    const first = await fixture.service.create('api', 'crash-key-full', request(0));
    const { done, boundaries } = await live(first.view.id, 0);
    expect(done).toBe(true);
    expect(boundaries).toBeGreaterThan(20);
    for (let at = 1; at <= boundaries; at++) {
      const before = await balance();
      const { view } = await fixture.service.create('api', `crash-key-${at}`, request(at));
      await live(view.id, at);
      // A dead worker's claim on a queued transaction ends by itself after some seconds; the test does not wait for it.
      await sql`UPDATE transactions SET prepare_after = now() WHERE id = ${view.id} AND state = 'queued'`.execute(
        fixture.postgres.db,
      );
      const after = await live(view.id, 0);
      expect({ at, done: after.done, paid: (await balance()) - before }).toEqual({
        at,
        done: true,
        paid: 1n,
      });
    }
  }, 180_000);
});
