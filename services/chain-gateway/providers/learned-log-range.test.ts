import { describe, expect, it } from '@jest/globals';
import { createManualClock } from '../../../lib/time.ts';
import { createLearnedLogRange, toldLimit } from './learned-log-range.ts';

describe('the log range that a refusal tells', () => {
  it.each([
    ['exceed maximum block range: 5000', 5_000],
    ['block range is limited to 10,000 blocks', 10_000],
    ['eth_getLogs is limited to a 1000 blocks range', 1_000],
    ['You can make eth_getLogs requests with up to a 500 block range', 500],
    ['query returned more than 10000 results', undefined],
    ['Log response size exceeded. Try with this block range [0x1, 0x2]', undefined],
    ['block range too large', undefined],
    ['block range may be at most 90000 blocks', undefined],
  ])('"%s" → %s', (message, limit) => {
    expect(toldLimit(message, 50_000)).toBe(limit);
  });

  it('is doubted after a while', async () => {
    const clock = createManualClock();
    const range = createLearnedLogRange(clock);
    range.onRefused(50_000, 'max block range 2000');
    expect(range.limit()).toBe(2_000);
    await clock.advance(601_000);
    expect(range.limit()).toBeUndefined();
  });
});
