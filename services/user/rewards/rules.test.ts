import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type AwardState, judge, nextState } from './rules.ts';

describe('rewards', () => {
  it('never promise more than the budget, the cap or the window allow', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 200n }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.integer({ min: 0, max: 3_600_000 * 6 }), { maxLength: 40 }),
        (budget, cap, max, gaps) => {
          let committed = 0n;
          const times: number[] = [];
          let at = 0;
          for (const gap of gaps) {
            at += gap;
            const verdict = judge(
              {
                id: 'c',
                rule: { on: 'x.y', amount: '7', maxPerPerson: cap, window: { max, hours: 2 } },
                startsAt: 0,
                endsAt: null,
                paused: false,
                budget,
                committed,
              },
              { type: 'x.y', at },
              { awards: times.length, times, accountCreatedAt: 0 },
            );
            if (!verdict.eligible) continue;
            committed += verdict.amount;
            times.push(at);
          }
          expect(committed <= budget).toBe(true);
          expect(times.length).toBeLessThanOrEqual(cap);
          for (const t of times)
            expect(times.filter((u) => u <= t && u > t - 7_200_000).length).toBeLessThanOrEqual(max);
        },
      ),
    );
  });
  it('are settled once: no path posts twice or pays what was taken back', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('pending', 'confirmed', 'finalized', 'reverted') as fc.Arbitrary<
            'pending' | 'confirmed' | 'finalized' | 'reverted'
          >,
        ),
        (stages) => {
          let state: AwardState = 'pending';
          let posts = 0;
          for (const stage of stages) {
            const to = nextState(state, stage);
            if (to === 'posted') posts++;
            if (to) state = to;
          }
          expect(posts).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
