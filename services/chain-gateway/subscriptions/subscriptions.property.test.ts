import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createMetrics } from '../../../lib/metrics.ts';
import { createSeededRandom } from '../../../lib/random.ts';
import { createManualClock, type ManualClock } from '../../../lib/time.ts';
import { createSyntheticBackend } from '../../../tools/simulator/chain/synthetic-backend.ts';
import { createSyntheticChain, type SyntheticChain } from '../../../tools/simulator/chain/synthetic-chain.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import { createSubscriptions } from './create-subscriptions.ts';
import type { RpcConnection } from './local-method.ts';

/** Anything that may happen to a chain and its providers between two moments. */
type Event =
  | { readonly kind: 'mine'; readonly blocks: number }
  | { readonly kind: 'reorg'; readonly depth: number; readonly extend: number }
  | { readonly kind: 'outage'; readonly ms: number }
  | { readonly kind: 'flaky'; readonly probability: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'poll' };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('mine' as const), blocks: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('reorg' as const),
      depth: fc.integer({ min: 1, max: 20 }),
      extend: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('outage' as const), ms: fc.integer({ min: 50, max: 3_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('flaky' as const),
      probability: fc.double({ min: 0, max: 0.5, noNaN: true }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'poll' as const }) },
);

interface Log {
  blockHash: string;
  logIndex: string;
  removed: boolean;
}

/** What a client that believes its notifications holds to be true. */
function createBeliever(): { hear(log: Log): void; standing(): string[]; complaints: string[] } {
  const held = new Map<string, Log>();
  const complaints: string[] = [];
  return {
    complaints,
    standing: () => [...held.keys()],
    hear(log) {
      const key = `${log.blockHash}:${log.logIndex}`;
      if (log.removed) {
        if (!held.delete(key)) complaints.push(`${key} taken back but never told`);
        return;
      }
      if (held.has(key)) complaints.push(`${key} told twice`);
      held.set(key, log);
    },
  };
}

async function play(seed: number, events: readonly Event[]): Promise<void> {
  const clock: ManualClock = createManualClock();
  const random = createSeededRandom(seed);
  const chain: SyntheticChain = createSyntheticChain({
    clock,
    seed,
    blockTimeMs: 0,
    startHeight: 300,
    transactionsPerBlock: 2,
  });
  const backend = createSyntheticBackend({ chain });
  let downUntil = 0;
  let flaky = 0;
  const rpc: EthereumRpc = {
    async request(method, params) {
      // Answers take time, so that the chain changes under a caller.
      await clock.sleep(Math.floor(random.float() * 30));
      if (clock.monotonic() < downUntil || random.float() < flaky)
        throw new RpcCallError(-32011, 'no provider');
      const outcome = await backend.call({ method, params }, undefined, new AbortController().signal);
      if ('error' in outcome) throw new RpcCallError(outcome.error.code, outcome.error.message);
      return outcome.result;
    },
  };
  const subscriptions = createSubscriptions({
    rpc,
    clock,
    random,
    log: { info: () => undefined, warn: () => undefined },
    metrics: createMetrics({ service: 'test', processMetrics: false }),
    chainId: chain.chainId,
    limits: { headPollMs: 100 },
  });
  const call = (method: string, params: unknown[], connection?: RpcConnection): Promise<unknown> => {
    const local = subscriptions.localMethods.get(method);
    if (local === undefined) throw new Error(`${method} is not local`);
    return local(params, {
      ...(connection === undefined ? {} : { connection }),
      afterAnswer: (listener) => listener(),
    });
  };

  const believer = createBeliever();
  const heads: { number: string; hash: string; parentHash: string }[] = [];
  let subscribedToLogs: unknown;
  let closed: string | undefined;
  const connection: RpcConnection = {
    id: 'one',
    bufferedBytes: () => 0,
    send(text) {
      const { subscription, result } = JSON.parse(text).params;
      if (subscription === subscribedToLogs) believer.hear(result);
      else heads.push(result);
    },
    close(_code, reason) {
      closed = reason;
    },
    onClose: () => undefined,
  };
  const eventually = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const settled = promise.finally(() => {
      done = true;
    });
    // A rejection is looked at by the caller, after time has moved.
    settled.catch(() => undefined);
    while (!done) await clock.advance(10);
    return settled;
  };

  subscribedToLogs = await eventually(call('eth_subscribe', ['logs', {}], connection));
  await eventually(call('eth_subscribe', ['newHeads'], connection));
  const filterId = await eventually(call('eth_newFilter', [{}]));
  const poller = createBeliever();
  const start = chain.head();
  const poll = async (): Promise<void> => {
    try {
      for (const log of (await eventually(call('eth_getFilterChanges', [filterId]))) as Log[])
        poller.hear(log);
    } catch (error) {
      // Providers away, or a reorg in the middle: the client polls again, and must then get everything.
      if (!(error instanceof RpcCallError) || !['elsewhere', 'later', 'never'].includes(error.retry))
        throw error;
    }
  };

  for (const each of events) {
    if (each.kind === 'mine') chain.mine(each.blocks);
    // Below the point of subscription nothing was told, so nothing can be taken back.
    else if (each.kind === 'reorg' && chain.head() - each.depth >= start)
      chain.reorg(each.depth, each.extend);
    else if (each.kind === 'outage') downUntil = clock.monotonic() + each.ms;
    else if (each.kind === 'flaky') flaky = each.probability;
    else if (each.kind === 'wait') await clock.advance(each.ms);
    else await poll();
  }
  downUntil = 0;
  flaky = 0;
  chain.mine(1);
  for (let round = 0; round < 60; round += 1) await clock.advance(100);
  await poll();
  await poll();

  const truth: string[] = [];
  for (let height = start + 1; height <= chain.head(); height += 1) {
    for (const log of chain.view().logs(height)) truth.push(`${log.blockHash}:${log.logIndex}`);
  }
  expect(closed).toBeUndefined();
  expect(believer.complaints).toEqual([]);
  expect(believer.standing().sort()).toEqual(truth.sort());
  expect(poller.complaints).toEqual([]);
  expect(poller.standing().sort()).toEqual(truth);
  // Each head stands on one that was told before, and the last one is the chain's.
  expect(heads.at(-1)?.hash).toBe(chain.view().hashAt(chain.head()));
  const told = new Set([chain.view().hashAt(start)]);
  for (const head of heads) {
    expect(told.has(head.parentHash)).toBe(true);
    told.add(head.hash);
  }
  subscriptions.close();
  chain.close();
}

describe('subscriptions and filters under any schedule of blocks, reorgs, outages and polls', () => {
  it('tell each subscriber the truth, the whole truth, once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(event, { minLength: 3, maxLength: 25 }),
        play,
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});
