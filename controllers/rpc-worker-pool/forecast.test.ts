import { describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../lib/random.ts';
import { advance, newSeason, restore, scaledError, seasonSchema } from './forecast.ts';
import { pool } from './testing/scenes.ts';

const DAY = 86_400;
const spec = pool({ prediction: { mode: 'RaiseOnly', horizonSeconds: 300 } });

/** Runs days of arrivals, one look every 30 s; returns the tracker and the last forecast against the truth. */
function live(days: number, rate: (secondOfDay: number, day: number) => number, tracker = restore(spec)) {
  const random = createSeededRandom(3);
  let added = 0;
  let last: ReturnType<typeof advance>;
  for (let second = 0; second < days * DAY; second += 30) {
    const expected = rate(second % DAY, Math.floor(second / DAY)) * 30;
    added += Math.max(0, Math.round(expected + (random.float() - 0.5) * Math.sqrt(expected) * 2));
    last = advance(tracker, spec, second * 1000, added);
  }
  return { tracker, last };
}

const daily = (second: number): number => 50 + 45 * Math.sin((2 * Math.PI * second) / DAY);
/** A market opens: everything comes at once, every day at the same time. */
const opening = (second: number): number => (second % 7200 < 600 ? 100 : 10);

describe('the forecast', () => {
  it('beats "no change" on a repeating day, and is used', () => {
    const { tracker } = live(4, opening);
    expect(scaledError(tracker.season)).toBeLessThan(0.6);
    expect(tracker.season.usable).toBe(true);
  });

  it('is right about the level of a busier day', () => {
    const { last } = live(3.5, (second, day) => daily(second) * (day === 3 ? 2 : 1));
    const truth = daily(DAY / 2 + 300) * 2;
    expect(Math.abs((last?.arrivalsPerSecond ?? 0) - truth) / truth).toBeLessThan(0.15);
  });

  it('is not used before the season was seen, nor on traffic without one', () => {
    expect(live(0.5, daily).tracker.season.usable).toBe(false);
    const random = createSeededRandom(9);
    let walk = 50;
    const { tracker } = live(4, () => {
      walk = Math.max(1, walk + (random.float() - 0.5) * 10);
      return walk;
    });
    expect(tracker.season.usable).toBe(false);
  });

  it('is switched off by itself when the habits change', () => {
    const { tracker } = live(4, opening);
    expect(tracker.season.usable).toBe(true);
    const { tracker: later } = live(0.2, () => 40, {
      ...tracker,
      last: undefined,
      window: [],
      pending: undefined,
    });
    expect(later.season.usable).toBe(false);
  });

  it('survives a restart through the status, and ignores nonsense in it', () => {
    const { tracker } = live(2, daily);
    const text = JSON.stringify(tracker.season);
    expect(restore(spec, text).season).toEqual(seasonSchema.parse(tracker.season));
    expect(restore(spec, '{"bins":').season).toEqual(newSeason(DAY));
    expect(
      restore(pool({ prediction: { mode: 'Shadow', seasonMinutes: 60 } }), text).season.seasonSeconds,
    ).toBe(3600);
  });
});
