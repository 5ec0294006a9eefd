import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createManualClock } from '../../../lib/time.ts';
import { createChainView } from '../heads/chain-view.ts';
import { type BoundCall, bindCall } from '../rpc/block-binding.ts';
import { type MethodSpec, methodSpec } from '../rpc/methods.ts';
import { createByteLru } from './byte-lru.ts';
import { createCallCache } from './call-cache.ts';

function setUp() {
  const clock = createManualClock();
  const view = createChainView({ chainId: 1, clock, floorMaxAgeMs: 1_000 });
  const cache = createCallCache({ view, clock, maxBytes: 1_000_000, maxEntryBytes: 100_000 });
  const bind = (method: string, params: readonly unknown[]): BoundCall => {
    const bound = bindCall(method, methodSpec(method) as MethodSpec, params, view);
    if ('code' in bound) throw new Error(bound.message);
    return bound;
  };
  const mine = (number: number, branch: string): void => {
    view.extend({
      number,
      hash: `0x${branch}${number}`,
      parentHash: `0x${branch}${number - 1}`,
      timestamp: 0,
    });
    view.update({ heads: [number], safe: [], finalized: [0] });
  };
  return { clock, view, cache, bind, mine };
}

describe('cache of calls', () => {
  it('never returns what an orphaned block said, whatever the order of events', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('mine' as const) }),
      fc.record({ kind: fc.constant('reorg' as const), depth: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('read' as const), back: fc.integer({ min: 0, max: 6 }) }),
      fc.record({ kind: fc.constant('readAcross' as const), back: fc.integer({ min: 0, max: 6 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { view, cache, bind, mine } = setUp();
        let branch = 0;
        let height = 0;
        const hashes: string[] = [];
        const grow = (): void => {
          height++;
          mine(height, `b${branch}x`);
          hashes[height] = view.hashOf(height) as string;
        };
        const reorg = (depth: number): void => {
          const ancestor = Math.max(1, height - depth);
          view.rollBack(ancestor);
          branch++;
          height = ancestor;
          for (let i = 0; i <= depth; i++) grow();
        };
        for (let i = 0; i < 10; i++) grow();
        for (const event of steps) {
          if (event.kind === 'mine') grow();
          else if (event.kind === 'reorg') reorg(event.depth);
          else {
            const number = Math.max(1, height - event.back);
            const call = bind('eth_getBalance', ['0x01', `0x${number.toString(16)}`]);
            const cached = cache.get(call);
            if (cached !== undefined) expect(cached).toBe(JSON.stringify(hashes[number]));
            const answer = JSON.stringify(hashes[number]);
            // The provider answered before the reorg, the answer is stored after it.
            if (event.kind === 'readAcross') reorg(2);
            cache.put(call, answer);
          }
        }
      }),
    );
  });

  it('keeps nothing about blocks that do not exist yet, and absence only for a moment', async () => {
    const { clock, cache, bind, mine } = setUp();
    for (let i = 1; i <= 5; i++) mine(i, 'a');
    const future = bind('eth_getBalance', ['0x01', '0x9']);
    expect(cache.put(future, '"0x0"')).toBeUndefined();
    expect(cache.put(bind('eth_getBlockByNumber', ['0x5', false]), 'null')).toBeUndefined();
    const receipt = bind('eth_getTransactionReceipt', ['0xaa']);
    cache.put(receipt, 'null');
    expect(cache.get(receipt)).toBe('null');
    await clock.advance(201);
    expect(cache.get(receipt)).toBeUndefined();
  });

  it('keeps a receipt only with the block that it names', () => {
    const { cache, bind, mine, view } = setUp();
    for (let i = 1; i <= 5; i++) mine(i, 'a');
    const receipt = bind('eth_getTransactionReceipt', ['0xaa']);
    cache.put(receipt, '{"blockHash":"0xdead","blockNumber":"0x4"}');
    expect(cache.get(receipt)).toBeUndefined();
    cache.put(receipt, `{"blockHash":"${view.hashOf(4)}","blockNumber":"0x4"}`);
    expect(cache.get(receipt)).toBeDefined();
    view.rollBack(3);
    expect(cache.get(receipt)).toBeUndefined();
  });

  it('keeps final data without asking for hashes', () => {
    const { cache, bind, view, mine } = setUp();
    for (let i = 1; i <= 5; i++) mine(i, 'a');
    view.update({ heads: [5], safe: [4], finalized: [3] });
    const call = bind('eth_getBalance', ['0x01', '0x2']);
    cache.put(call, '"0x7"');
    view.rollBack(3);
    expect(cache.get(call)).toBe('"0x7"');
  });
});

describe('least recently used', () => {
  it('never holds more bytes than allowed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 3_000 })), {
          maxLength: 200,
        }),
        (sets) => {
          const lru = createByteLru({ maxBytes: 8_000, maxEntryBytes: 2_500 });
          for (const [key, size] of sets) {
            lru.set(`k${key}`, {
              result: 'x'.repeat(size),
              blockNumber: undefined,
              blockHash: undefined,
              expiresAt: 1,
            });
            expect(lru.bytes).toBeLessThanOrEqual(8_000);
          }
          for (let key = 0; key <= 30; key++) lru.delete(`k${key}`);
          expect([lru.bytes, lru.size]).toEqual([0, 0]);
        },
      ),
    );
  });
});
