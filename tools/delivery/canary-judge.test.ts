import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { atLeast, judgeCanary } from './canary-judge.ts';

const objective = { id: 'api-errors', title: 'API', target: 0.999 };
const judge = (canary: [number, number], stable: [number, number]) =>
  judgeCanary(
    [
      {
        objective,
        canary: { bad: canary[0], total: canary[1] },
        stable: { bad: stable[0], total: stable[1] },
      },
    ],
    { enough: 200 },
  ).verdict;

describe('judgeCanary', () => {
  it.each([
    ['as good as the stable pods', [0, 500], [0, 5000], 'good'],
    ['one stray failure', [1, 500], [0, 5000], 'good'],
    ['broken', [50, 500], [0, 5000], 'bad'],
    ['broken from the first request', [10, 10], [0, 5000], 'bad'],
    ['a little worse, beyond chance', [12, 1000], [1, 10_000], 'bad'],
    ['bad together with the stable pods', [50, 500], [500, 5000], 'good'],
    ['idle', [0, 20], [0, 5000], 'too-little'],
    ['without any traffic at all', [0, 0], [0, 0], 'too-little'],
    ['one failure of one', [1, 1], [0, 5000], 'too-little'],
  ] as const)('%s', (_what, canary, stable, verdict) => {
    expect(judge([...canary], [...stable])).toBe(verdict);
  });

  it('never calls bad what is no worse than the stable pods, and more failures never make it better', () => {
    const order = { good: 0, 'too-little': 0, bad: 1 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 0, max: 10_000 }), (total, n) => {
        const bad = n % (total + 1);
        expect(judge([bad, total], [bad, total])).not.toBe('bad');
        expect(atLeast({ bad, total })).toBeLessThanOrEqual(bad / total + 1e-12);
        if (bad < total)
          expect(order[judge([bad + 1, total], [0, 10_000])]).toBeGreaterThanOrEqual(
            order[judge([bad, total], [0, 10_000])],
          );
      }),
    );
  });
});
