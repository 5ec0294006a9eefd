import { describe, expect, it } from '@jest/globals';
import { boundsAt, isOpen, parseCron } from './schedule.ts';
import { pool } from './testing/scenes.ts';

const at = (iso: string): number => Date.parse(iso);

describe('schedules', () => {
  const mornings = { start: '30 7 * * 1-5', timeZone: 'Europe/Zurich', durationMinutes: 90 };

  it('open and close on the wall clock of their zone, in winter and in summer', () => {
    expect(isOpen(mornings, at('2026-01-05T06:29:59Z'))).toBe(false);
    expect(isOpen(mornings, at('2026-01-05T06:30:00Z'))).toBe(true);
    expect(isOpen(mornings, at('2026-01-05T07:59:59Z'))).toBe(true);
    expect(isOpen(mornings, at('2026-01-05T08:00:00Z'))).toBe(false);
    expect(isOpen(mornings, at('2026-07-06T05:30:00Z'))).toBe(true);
    expect(isOpen(mornings, at('2026-07-06T07:00:00Z'))).toBe(false);
  });

  it('stay shut at the weekend', () => {
    expect(isOpen(mornings, at('2026-01-04T07:00:00Z'))).toBe(false);
  });

  it('reach over midnight', () => {
    const night = { start: '0 23 * * *', timeZone: 'UTC', durationMinutes: 120 };
    expect(isOpen(night, at('2026-01-05T00:59:00Z'))).toBe(true);
    expect(isOpen(night, at('2026-01-05T01:00:00Z'))).toBe(false);
  });

  it('match either day field when both are given, as crontab does', () => {
    const either = { start: '0 0 13 * 5', timeZone: 'UTC', durationMinutes: 1 };
    expect(isOpen(either, at('2026-01-13T00:00:00Z'))).toBe(true);
    expect(isOpen(either, at('2026-01-16T00:00:00Z'))).toBe(true);
    expect(isOpen(either, at('2026-01-15T00:00:00Z'))).toBe(false);
  });

  it.each([
    ['61 * * * *', 'minute "61" must lie within 0-59'],
    ['0 5-3 * * *', 'hour "5-3" must lie within 0-23'],
    ['0 0 1-2-3 * *', 'day of month "1-2-3" is not a number, a range, a step or *'],
    ['0 0 * * */0', 'day of week "*/0" must lie within 0-7'],
  ])('%s is refused: %s', (cron, message) => {
    expect(() => parseCron(cron)).toThrow(message);
  });

  it('with an unknown zone are ignored and named', () => {
    const spec = pool({
      schedules: [
        { name: 'lost', start: '* * * * *', timeZone: 'Mars/Olympus', durationMinutes: 5, minReplicas: 9 },
      ],
    });
    expect(boundsAt(spec, at('2026-01-05T00:00:00Z'))).toEqual({
      min: 1,
      max: 20,
      windows: [],
      invalid: ['lost: Invalid time zone specified: Mars/Olympus'],
    });
  });

  it('take the largest bounds of several open windows; a ceiling beats a floor', () => {
    const always = { start: '* * * * *', durationMinutes: 1 };
    const spec = pool({
      schedules: [
        { name: 'a', ...always, minReplicas: 3 },
        { name: 'b', ...always, minReplicas: 8, maxReplicas: 9 },
        { name: 'c', ...always, maxReplicas: 6 },
      ],
    });
    expect(boundsAt(spec, 0)).toMatchObject({ min: 8, max: 9, windows: ['a', 'b', 'c'] });
    const low = pool({ minReplicas: 5, schedules: [{ name: 'night', ...always, maxReplicas: 2 }] });
    expect(boundsAt(low, 0)).toMatchObject({ min: 2, max: 2 });
  });
});
