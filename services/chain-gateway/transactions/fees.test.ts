import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { baseFeeAfter, bumped, capFees, replacementFees, suggestFees } from './fees.ts';

const gwei = 1_000_000_000n;
const history = (base: bigint, rewards: bigint[][], ratio = 0.5) => ({
  baseFeePerGas: [...rewards.map(() => base), base],
  reward: rewards,
  gasUsedRatio: rewards.map(() => ratio),
});

describe('suggestFees', () => {
  it('offers the median tip of the percentile of the urgency', () => {
    const h = history(10n * gwei, [
      [1n * gwei, 2n * gwei, 5n * gwei],
      [1n * gwei, 3n * gwei, 6n * gwei],
      [1n * gwei, 4n * gwei, 9n * gwei],
    ]);
    expect(suggestFees(h, 'slow').maxPriorityFeePerGas).toBe(1n * gwei);
    expect(suggestFees(h, 'standard').maxPriorityFeePerGas).toBe(3n * gwei);
    expect(suggestFees(h, 'fast').maxPriorityFeePerGas).toBe(6n * gwei);
  });
  it('survives six full blocks at standard urgency', () => {
    const h = history(10n * gwei, [[gwei, gwei, gwei]]);
    expect(suggestFees(h, 'standard').maxFeePerGas).toBe(baseFeeAfter(10n * gwei, 6) + gwei);
  });
  it('leaves empty blocks out', () => {
    const h = {
      baseFeePerGas: [gwei, gwei, gwei],
      reward: [
        [0n, 0n, 0n],
        [gwei, gwei, gwei],
      ],
      gasUsedRatio: [0, 0.4],
    };
    expect(suggestFees(h, 'standard').maxPriorityFeePerGas).toBe(gwei);
  });
});

describe('replacementFees', () => {
  const fee = fc.bigInt({ min: 0n, max: 10n ** 13n });
  it('raises both fees by at least a tenth or declines, and never passes the cap', () => {
    fc.assert(
      fc.property(fee, fee, fee, fee, fee, (max, tip, sMax, sTip, cap) => {
        const previous = capFees({ maxFeePerGas: max, maxPriorityFeePerGas: tip }, 10n ** 18n);
        const next = replacementFees(previous, { maxFeePerGas: sMax, maxPriorityFeePerGas: sTip }, cap);
        if (!next) return;
        expect(next.maxFeePerGas * 10n >= previous.maxFeePerGas * 11n).toBe(true);
        expect(next.maxPriorityFeePerGas * 10n >= previous.maxPriorityFeePerGas * 11n).toBe(true);
        expect(next.maxFeePerGas <= cap).toBe(true);
        expect(next.maxPriorityFeePerGas <= next.maxFeePerGas).toBe(true);
      }),
    );
  });
  it('declines when the cap leaves no room', () => {
    expect(
      replacementFees(
        { maxFeePerGas: 95n, maxPriorityFeePerGas: 1n },
        { maxFeePerGas: 200n, maxPriorityFeePerGas: 2n },
        100n,
      ),
    ).toBeUndefined();
  });
  it('rounds up', () => {
    expect(bumped(1n)).toBe(2n);
    expect(bumped(101n)).toBe(112n);
    expect(bumped(0n)).toBe(1n);
  });
});
