import { describe, expect, it } from '@jest/globals';
import { multiply } from './quotes.ts';

describe('multiply', () => {
  it('values exactly, without floating point, and rounds half up', () => {
    expect(multiply(100_500_000n, 6, '0.02')).toBe('2.01');
    expect(multiply(1n, 6, '1')).toBe('0.00');
    expect(multiply(5_000n, 6, '1')).toBe('0.01');
    expect(multiply(10n ** 30n, 18, '0.1234567890123456789')).toBe('123456789012.35');
    expect(multiply(0n, 6, '3')).toBe('0.00');
  });
});
