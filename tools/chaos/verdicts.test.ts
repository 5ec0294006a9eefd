import { describe, expect, it } from '@jest/globals';
import type { Probe } from './probes.ts';
import { cellOf } from './verdicts.ts';

const FROM = 0;
const CLEARED = 10_000;
const UNTIL = 40_000;
/** A look every 100 ms; bad between the given times. */
const looks = (badFrom: number, badTo: number): Probe[] =>
  Array.from({ length: UNTIL / 100 }, (_, i) => i * 100).map((at) => ({
    promise: 5,
    at,
    good: at < badFrom || at >= badTo,
    detail: 'api 503',
  }));
const judge = (probes: readonly Probe[], tolerated: boolean) =>
  cellOf({
    promise: 5,
    probes,
    from: FROM,
    clearedAt: CLEARED,
    until: UNTIL,
    tolerated,
    recoverWithinMs: 15_000,
  });

describe('the verdict of a cell', () => {
  it('keeps what nobody noticed', () => {
    expect(judge(looks(0, 0), false)).toMatchObject({ verdict: 'kept', good: 1, recoveryMs: 0 });
  });
  it('recovers what may suffer while the fault lasts, and says how long it took', () => {
    expect(judge(looks(2_000, 14_000), true)).toMatchObject({ verdict: 'recovered', recoveryMs: 3_900 });
  });
  it('breaks what must not suffer, though it recovers', () => {
    expect(judge(looks(2_000, 14_000), false)).toMatchObject({ verdict: 'broken', detail: 'api 503' });
  });
  it('breaks what does not recover in time', () => {
    expect(judge(looks(2_000, 39_000), true).verdict).toBe('broken');
  });
  it('takes one bad look for chance', () => {
    expect(judge(looks(20_000, 20_100), false).verdict).toBe('kept');
  });
  it('never keeps what nobody looked at', () => {
    expect(judge([], false).verdict).toBe('unmeasured');
  });
});
