import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatAmount, MAX_UINT256, parseAmount, uint256String } from './amount.ts';
import { AppError } from './errors.ts';

describe('amounts', () => {
  it('survive a round trip for every uint256 and every number of decimals', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, MAX_UINT256), fc.integer({ min: 0, max: 36 }), (raw, decimals) => {
        const { formatted } = formatAmount(raw, decimals);
        expect(parseAmount(formatted, decimals)).toBe(raw);
      }),
    );
  });

  it.each([
    [100_000_000n, 6, '100'],
    [1n, 6, '0.000001'],
    [0n, 18, '0'],
    [-1_500_000n, 6, '-1.5'],
    [7n, 0, '7'],
  ])('%s with %s decimals is %s', (raw, decimals, formatted) => {
    expect(formatAmount(raw, decimals).formatted).toBe(formatted);
  });

  it.each(['', '1e6', '-1', '+1', ' 1', '1.', '.5', '1,5', '0x10', 'NaN'])('refuses %j', (text) => {
    expect(() => parseAmount(text, 6)).toThrow(AppError);
  });

  it('says how many decimals are too many', () => {
    expect(() => parseAmount('0.1234567', 6)).toThrow('Has 7 decimals; this token has 6.');
  });

  it('keeps uint256 strings canonical and in range', () => {
    expect(uint256String.safeParse(MAX_UINT256.toString()).success).toBe(true);
    for (const bad of [(MAX_UINT256 + 1n).toString(), '01', '-1', '1.0', ''])
      expect(uint256String.safeParse(bad).success).toBe(false);
  });
});
