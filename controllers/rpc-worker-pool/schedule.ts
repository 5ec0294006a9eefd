import type { PoolSpec, Schedule } from './types.ts';

const MINUTE_MS = 60_000;

/** The values one cron field allows, as a set; throws a RangeError that names the field. */
function parseField(field: string, name: string, min: number, max: number): Set<number> {
  const allowed = new Set<number>();
  for (const part of field.split(',')) {
    const match = /^(\*|\d+)(?:-(\d+))?(?:\/(\d+))?$/.exec(part);
    if (!match) throw new RangeError(`${name} "${part}" is not a number, a range, a step or *`);
    const [, first, last, step] = match;
    const from = first === '*' ? min : Number(first);
    const to = last !== undefined ? Number(last) : first === '*' || step !== undefined ? max : from;
    const every = step === undefined ? 1 : Number(step);
    if (from < min || to > max || from > to || every < 1) {
      throw new RangeError(`${name} "${part}" must lie within ${min}-${max}`);
    }
    for (let value = from; value <= to; value += every) allowed.add(value);
  }
  return allowed;
}

interface Cron {
  readonly minutes: Set<number>;
  readonly hours: Set<number>;
  readonly days: Set<number>;
  readonly months: Set<number>;
  readonly weekdays: Set<number>;
  /** crontab(5): when both day fields are restricted, either may match. */
  readonly eitherDay: boolean;
}

/** Parses five cron fields (numbers only; 0 and 7 are Sunday). Throws a RangeError that says what is wrong. */
export function parseCron(text: string): Cron {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = text.trim().split(/\s+/);
  const weekdays = parseField(weekday, 'day of week', 0, 7);
  if (weekdays.has(7)) weekdays.add(0);
  return {
    minutes: parseField(minute, 'minute', 0, 59),
    hours: parseField(hour, 'hour', 0, 23),
    days: parseField(day, 'day of month', 1, 31),
    months: parseField(month, 'month', 1, 12),
    weekdays,
    eitherDay: day !== '*' && weekday !== '*',
  };
}

/** Wall-clock time at `at` in `timeZone`, as if it were UTC: its getUTC… methods read the local calendar. */
function wallClock(at: number, timeZone: string): Date {
  if (timeZone === 'UTC') return new Date(at);
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  }).formatToParts(at);
  const get = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  return new Date(Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute')));
}

function matches(cron: Cron, local: Date): boolean {
  if (!cron.minutes.has(local.getUTCMinutes()) || !cron.hours.has(local.getUTCHours())) return false;
  if (!cron.months.has(local.getUTCMonth() + 1)) return false;
  const day = cron.days.has(local.getUTCDate());
  const weekday = cron.weekdays.has(local.getUTCDay());
  return cron.eitherDay ? day || weekday : day && weekday;
}

/**
 * Whether a window is open: some minute within the last `durationMinutes` matches its start. Minutes are counted
 * on the wall clock of the zone, so on the day the clocks change a window is an hour longer or shorter.
 */
export function isOpen(
  schedule: Pick<Schedule, 'start' | 'timeZone' | 'durationMinutes'>,
  at: number,
): boolean {
  const cron = parseCron(schedule.start);
  const local = wallClock(at, schedule.timeZone).getTime();
  const current = local - (local % MINUTE_MS);
  for (let back = 0; back < schedule.durationMinutes; back++) {
    if (matches(cron, new Date(current - back * MINUTE_MS))) return true;
  }
  return false;
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  /** Names of the open windows that set them. */
  readonly windows: readonly string[];
  /** Schedules that cannot be evaluated, with the reason; they are ignored. */
  readonly invalid: readonly string[];
}

/** The bounds that hold at `at`. */
export function boundsAt(
  spec: Pick<PoolSpec, 'minReplicas' | 'maxReplicas' | 'schedules'>,
  at: number,
): Bounds {
  const windows: string[] = [];
  const invalid: string[] = [];
  const mins: number[] = [];
  const maxes: number[] = [];
  for (const schedule of spec.schedules) {
    try {
      if (!isOpen(schedule, at)) continue;
    } catch (error) {
      invalid.push(`${schedule.name}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    windows.push(schedule.name);
    if (schedule.minReplicas !== undefined) mins.push(schedule.minReplicas);
    if (schedule.maxReplicas !== undefined) maxes.push(schedule.maxReplicas);
  }
  const max = maxes.length > 0 ? Math.max(...maxes) : spec.maxReplicas;
  const min = mins.length > 0 ? Math.max(...mins) : spec.minReplicas;
  // A window that only sets one side may contradict the other side of the spec: the ceiling protects money, it wins.
  return { min: Math.min(min, max), max, windows, invalid };
}
