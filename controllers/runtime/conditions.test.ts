import { describe, expect, it } from '@jest/globals';
import { setConditions } from './conditions.ts';

describe('conditions', () => {
  const ready = { type: 'Ready', status: 'True', reason: 'Fine', message: '' } as const;
  it('move their transition time only when the status changes', () => {
    const first = setConditions(undefined, [ready], 1_000_000);
    const second = setConditions(first, [{ ...ready, reason: 'StillFine', message: 'x' }], 2_000_000);
    expect(second).toEqual([
      { ...ready, reason: 'StillFine', message: 'x', lastTransitionTime: '1970-01-01T00:16:40Z' },
    ]);
    const third = setConditions(second, [{ ...ready, status: 'False' }], 3_000_500);
    expect(third[0]?.lastTransitionTime).toBe('1970-01-01T00:50:00Z');
  });

  it('keep what others set', () => {
    const list = setConditions(setConditions(undefined, [ready], 0), [{ ...ready, type: 'Active' }], 0);
    expect(list.map((c) => c.type)).toEqual(['Active', 'Ready']);
  });
});
