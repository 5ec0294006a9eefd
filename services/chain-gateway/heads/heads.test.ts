import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createManualClock } from '../../../lib/time.ts';
import { createChainView } from './chain-view.ts';
import { plausibleBest } from './head-poller.ts';
import { strictMajorityHead } from './served-head.ts';

describe('strict majority', () => {
  it('is the highest block that more than half have', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 9 }), (heads) => {
        const head = strictMajorityHead(heads) as number;
        const have = (block: number): number => heads.filter((number) => number >= block).length;
        expect(have(head) * 2).toBeGreaterThan(heads.length);
        expect(have(head + 1) * 2).toBeLessThanOrEqual(heads.length);
      }),
    );
  });

  it('needs both of two and two of three', () => {
    expect(strictMajorityHead([10, 12])).toBe(10);
    expect(strictMajorityHead([10, 12, 12])).toBe(12);
    expect(strictMajorityHead([10, 11, 99])).toBe(11);
    expect(strictMajorityHead([])).toBeUndefined();
  });

  it('does not call everybody late because of one dreamer', () => {
    expect(plausibleBest([100, 101, 1_000_000])).toBe(101);
    expect(plausibleBest([100, 103])).toBe(103);
  });
});

describe('served head', () => {
  const feed = (view: ReturnType<typeof createChainView>, heads: number[]): void =>
    view.update({ heads, safe: [], finalized: [] });

  it('never goes back while providers still confirm it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.array(fc.integer({ min: 90, max: 120 }), { minLength: 1, maxLength: 5 }), fc.nat(400)),
          { maxLength: 60 },
        ),
        async (polls) => {
          const clock = createManualClock();
          const view = createChainView({ chainId: 1, clock, floorMaxAgeMs: 1_000_000 });
          let before = 0;
          for (const [heads, waitMs] of polls) {
            await clock.advance(waitMs);
            feed(view, heads);
            expect(view.head()).toBeGreaterThanOrEqual(before);
            before = view.head() as number;
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('lets go of a head that nobody confirms any more, after the bound', async () => {
    const clock = createManualClock();
    const view = createChainView({ chainId: 1, clock, floorMaxAgeMs: 30_000 });
    feed(view, [5_000]);
    feed(view, [100, 100]);
    expect(view.head()).toBe(5_000);
    await clock.advance(31_000);
    feed(view, [101, 101]);
    expect(view.head()).toBe(101);
  });

  it('follows another replica at once, and not for long without a witness', async () => {
    const clock = createManualClock();
    const view = createChainView({ chainId: 1, clock, floorMaxAgeMs: 5_000 });
    feed(view, [100, 100]);
    view.heard(102);
    expect(view.head()).toBe(102);
    feed(view, [102, 102]);
    expect(view.head()).toBe(102);

    view.heard(110);
    expect(view.head()).toBe(110);
    expect(view.confirmedHead()).toBe(102);
    // Nobody has block 110: the others are believed for seconds, not for ever, and then not listened to for a while.
    for (let i = 0; i < 12; i++) {
      await clock.advance(1_000);
      feed(view, [103, 103]);
      view.heard(111 + i);
    }
    expect(view.head()).toBe(103);
  });

  it('ignores a replica that is absurdly far ahead', () => {
    const view = createChainView({ chainId: 1, clock: createManualClock(), floorMaxAgeMs: 5_000 });
    feed(view, [100]);
    view.heard(1_000_000);
    expect(view.head()).toBe(100);
  });
});
