/** Arithmetic with the clock on somebody's wall; instants are milliseconds since the epoch. */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, made);
  return made;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The local date and time as if it were UTC: the difference to `at` is the zone's offset. */
function wallClock(at: number, timeZone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(at))
    if (type !== 'literal') parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Minutes since local midnight. */
export const minuteOfDay = (at: number, timeZone: string): number =>
  Math.floor((wallClock(at, timeZone) % DAY_MS) / MINUTE_MS);

/** "22:30" → 1350. */
export const parseTime = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));

/**
 * The instant of a local time. In the hour that happens twice the first one; a time that is skipped moves forward by the
 * length of the gap, as calendars do.
 */
function instantOf(wall: number, timeZone: string): number {
  const offsetAt = (at: number): number => wallClock(at, timeZone) - Math.floor(at / 1000) * 1000;
  const early = wall - offsetAt(wall - DAY_MS);
  if (wallClock(early, timeZone) === wall) return early;
  const late = wall - offsetAt(wall + DAY_MS);
  return wallClock(late, timeZone) === wall ? late : early;
}

/** The next instant after `at` at which the local clock shows `time` (HH:MM). */
export function nextLocalTime(at: number, timeZone: string, time: string): number {
  const wall = wallClock(at, timeZone);
  const midnight = wall - (wall % DAY_MS);
  for (let day = 0; day <= 2; day++) {
    const candidate = instantOf(midnight + day * DAY_MS + parseTime(time) * MINUTE_MS, timeZone);
    if (candidate > at) return candidate;
  }
  throw new Error(`no ${time} within two days in ${timeZone}`);
}

/** The next full hour of the local clock; zones with half-hour offsets have theirs at half past UTC. */
export function nextLocalHour(at: number, timeZone: string): number {
  const intoHour = wallClock(at, timeZone) % (60 * MINUTE_MS);
  return Math.floor(at / 1000) * 1000 - intoHour + 60 * MINUTE_MS;
}

/** Whether the local clock is within `from`–`to`, which may span midnight; `to` itself is outside. */
export function isWithin(at: number, timeZone: string, from: string, to: string): boolean {
  const minute = minuteOfDay(at, timeZone);
  const [start, end] = [parseTime(from), parseTime(to)];
  return start < end ? minute >= start && minute < end : minute >= start || minute < end;
}
