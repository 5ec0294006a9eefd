import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createExtraCallBudget } from './budget.ts';

describe('budget of extra calls', () => {
  it('never gives out more than reserve, share of calls and flow together', () => {
    const step = fc.oneof(
      fc.constant('call' as const),
      fc.constant('take' as const),
      fc.integer({ min: 1, max: 2_000 }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 500 }),
        fc.record({
          ratio: fc.double({ min: 0, max: 1, noNaN: true }),
          perSecond: fc.double({ min: 0, max: 20, noNaN: true }),
          reserve: fc.integer({ min: 1, max: 50 }),
        }),
        (steps, settings) => {
          let now = 0;
          const budget = createExtraCallBudget({ clock: { monotonic: () => now }, ...settings });
          let calls = 0;
          let taken = 0;
          for (const what of steps) {
            if (what === 'call') {
              calls++;
              budget.onCall();
            } else if (what === 'take') taken += budget.take() ? 1 : 0;
            else now += what;
          }
          const most = settings.reserve + settings.ratio * calls + (settings.perSecond * now) / 1_000;
          expect(taken).toBeLessThanOrEqual(most + 1e-6);
        },
      ),
    );
  });
});
