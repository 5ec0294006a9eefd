import { describe, expect, it } from '@jest/globals';
import { suggestSavings } from './suggest-savings.ts';

const urgency = (name: 'slow' | 'standard' | 'fast', p95: number, price: string, transactions = 100) => ({
  purpose: 'reward',
  urgency: name,
  transactions,
  p50: p95 / 2,
  p95,
  gas_price: price,
  gas_used: '1000000',
});

describe('suggestSavings', () => {
  it('proposes the cheapest urgency that keeps the promise', () => {
    const [best] = suggestSavings({
      urgencies: [urgency('slow', 25, '10'), urgency('standard', 20, '15'), urgency('fast', 12, '30')],
      bursts: [],
      hours: [],
    });
    expect(best).toEqual({
      kind: 'urgency',
      savesWei: '20000000',
      text: expect.stringContaining('ask for slow'),
    });
  });
  it('proposes nothing that was too slow, or too seldom', () => {
    expect(
      suggestSavings({
        urgencies: [urgency('slow', 400, '10'), urgency('standard', 20, '30')],
        bursts: [],
        hours: [],
      }),
    ).toEqual([]);
    expect(
      suggestSavings({
        urgencies: [urgency('slow', 10, '10', 3), urgency('standard', 20, '30')],
        bursts: [],
        hours: [],
      }),
    ).toEqual([]);
  });
  it('counts what batching and waiting would save', () => {
    const hours = [
      { hour: 3, transactions: 100, gas_price: '10' },
      { hour: 15, transactions: 100, gas_price: '30' },
    ];
    const bursts = [
      { purpose: 'reward', contract: 'RejuveToken', function: 'transfer', bursts: 2, calls: 12 },
    ];
    const found = suggestSavings({ urgencies: [urgency('slow', 400, '20')], bursts, hours });
    expect(found.map((s) => s.kind)).toEqual(['timing', 'batching']);
    expect(found[1]?.savesWei).toBe((18_000n * 10n * 20n).toString());
    expect(found[0]?.text).toContain('03:00 UTC');
  });
});
