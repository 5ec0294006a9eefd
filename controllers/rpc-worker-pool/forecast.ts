import { z } from 'zod';
import type { Forecast } from './observation.ts';
import type { QueueState } from './queue-watch.ts';
import type { PoolSpec, RpcWorkerPool } from './types.ts';

/*
 * Method: a multiplicative seasonal profile with a level. A season (a day) is cut into bins; each bin holds an
 * exponential average, over the past seasons, of the arrival rate in it. The level is the ratio between the arrivals
 * of the last minutes and what the profile said for them, so a day that is twice as busy as usual is forecast twice
 * as high. Forecast for t + h = profile(t + h) · level. (Holt-Winters without trend; the smoothing weights below are
 * fixed, nothing is fitted.)
 *
 * It is measured all the time against the naive forecast "no change": every horizon, both are compared with what
 * arrived. The ratio of the mean absolute errors (the idea of the MASE) decides whether it may be used.
 */

/** Bins per season: five minutes of a day. */
const BINS = 288;
/** Weight of the newest season in a bin: a change of habits is learned in about three seasons. */
const SEASON_WEIGHT = 0.4;
/** The level follows within about five minutes. */
const LEVEL_SECONDS = 300;
/** A level beyond this says that today is not like other days at all. */
const MAX_LEVEL = 4;
/** Errors are averaged over about this many comparisons. */
const ERROR_COMPARISONS = 60;
/** Fewer comparisons prove nothing. */
const ENOUGH_COMPARISONS = 20;
/** Better than naive by some margin before it is switched on, worse by some before it is switched off. */
const ON_BELOW = 0.95;
const OFF_ABOVE = 1.05;

export const seasonSchema = z.object({
  seasonSeconds: z.number(),
  /** Arrivals per second by bin; null until seen. */
  bins: z.array(z.number().nullable()).length(BINS),
  /** The bin being filled. */
  open: z.object({ index: z.int(), arrivals: z.number(), seconds: z.number() }).optional(),
  level: z.number(),
  errors: z.object({ forecast: z.number(), naive: z.number(), comparisons: z.int() }),
  usable: z.boolean(),
});
export type Season = z.output<typeof seasonSchema>;

export const newSeason = (seasonSeconds: number): Season => ({
  seasonSeconds,
  bins: Array.from({ length: BINS }, () => null),
  level: 1,
  errors: { forecast: 0, naive: 0, comparisons: 0 },
  usable: false,
});

const binAt = (season: Season, atMs: number): number =>
  Math.floor((((atMs / 1000) % season.seasonSeconds) / season.seasonSeconds) * BINS) % BINS;

/** The profile at a time, interpolated between the middles of bins; undefined where nothing was seen yet. */
export function profileAt(season: Season, atMs: number): number | undefined {
  const position = (((atMs / 1000) % season.seasonSeconds) / season.seasonSeconds) * BINS - 0.5;
  const left = (Math.floor(position) + BINS) % BINS;
  const [a, b] = [season.bins[left], season.bins[(left + 1) % BINS]];
  if (a === null || a === undefined) return b ?? undefined;
  if (b === null || b === undefined) return a;
  return a + (b - a) * (position - Math.floor(position));
}

/** Learns `arrivals` jobs that came in the `seconds` before `atMs`. Returns a new season. */
export function learn(season: Season, atMs: number, arrivals: number, seconds: number): Season {
  const index = binAt(season, atMs);
  const open = season.open;
  let { bins } = season;
  let nextOpen =
    open && open.index === index
      ? { index, arrivals: open.arrivals + arrivals, seconds: open.seconds + seconds }
      : { index, arrivals, seconds };
  if (open && open.index !== index && open.seconds > 0) {
    const rate = open.arrivals / open.seconds;
    const old = bins[open.index];
    bins = bins.with(
      open.index,
      old === null || old === undefined ? rate : old + (rate - old) * SEASON_WEIGHT,
    );
    nextOpen = { index, arrivals, seconds };
  }
  const expected = profileAt(season, atMs);
  let { level } = season;
  if (expected !== undefined && expected > 0 && seconds > 0) {
    const ratio = Math.min(MAX_LEVEL, Math.max(1 / MAX_LEVEL, arrivals / seconds / expected));
    level += (ratio - level) * (1 - Math.exp(-seconds / LEVEL_SECONDS));
  }
  return { ...season, bins, open: nextOpen, level };
}

/** Jobs per second expected at `atMs`; undefined until the season has been seen there. */
export function predict(season: Season, atMs: number): number | undefined {
  const profile = profileAt(season, atMs);
  return profile === undefined ? undefined : profile * season.level;
}

/** Compares a forecast and the naive one with what came. */
export function judge(season: Season, forecast: number, naive: number, actual: number): Season {
  const n = season.errors.comparisons + 1;
  const weight = Math.max(1 / n, 1 / ERROR_COMPARISONS);
  const errors = {
    forecast: season.errors.forecast + (Math.abs(forecast - actual) - season.errors.forecast) * weight,
    naive: season.errors.naive + (Math.abs(naive - actual) - season.errors.naive) * weight,
    comparisons: n,
  };
  const ratio = scaledError({ ...season, errors });
  const usable = ratio !== undefined && (season.usable ? ratio < OFF_ABOVE : ratio < ON_BELOW);
  return { ...season, errors, usable };
}

/** Error relative to the naive forecast; undefined until there are enough comparisons. */
export function scaledError(season: Season): number | undefined {
  const { forecast, naive, comparisons } = season.errors;
  if (comparisons < ENOUGH_COMPARISONS) return undefined;
  return naive === 0 ? (forecast === 0 ? 1 : Number.POSITIVE_INFINITY) : forecast / naive;
}

/** Forecasts of all pools. */
export interface Forecaster {
  /** Learns from a look at the queue, and says what is to be expected; undefined while prediction is disabled. */
  observe(key: string, pool: Pick<RpcWorkerPool, 'spec' | 'status'>, queue: QueueState): Forecast | undefined;
  /** What was learned, for the status: changes at most once per bin. */
  export(key: string): string | undefined;
  forget(key: string): void;
}

interface Tracker {
  season: Season;
  last: { at: number; added: number } | undefined;
  /** Arrivals of the last horizon, for the naive forecast and for the verdict. */
  window: { at: number; added: number }[];
  pending: { due: number; forecast: number; naive: number } | undefined;
  exported: string | undefined;
  exportedBin: number;
}

export function createForecaster(): Forecaster {
  const trackers = new Map<string, Tracker>();
  return {
    observe(key, { spec, status }, queue) {
      if (spec.prediction.mode === 'Disabled') {
        trackers.delete(key);
        return undefined;
      }
      const tracker = trackers.get(key) ?? restore(spec, status?.forecast);
      trackers.set(key, tracker);
      if (!queue.readable) return undefined;
      return advance(tracker, spec, queue.at, queue.snapshot.reading.addedTotal);
    },
    export(key) {
      const tracker = trackers.get(key);
      if (!tracker) return undefined;
      const bin = tracker.season.open?.index ?? -1;
      if (tracker.exportedBin !== bin) {
        tracker.exportedBin = bin;
        tracker.exported = JSON.stringify(tracker.season, (_name, value) =>
          typeof value === 'number' ? Number(value.toPrecision(4)) : value,
        );
      }
      return tracker.exported;
    },
    forget: (key) => void trackers.delete(key),
  };
}

/** One step: learn what came since the last look, judge what is due, and look ahead. Used by what-if as well. */
export function advance(tracker: Tracker, spec: PoolSpec, at: number, added: number): Forecast | undefined {
  const horizonMs = spec.prediction.horizonSeconds * 1000;
  const { last } = tracker;
  tracker.last = { at, added };
  if (!last || added < last.added || at <= last.at) {
    tracker.window = [{ at, added }];
    return undefined;
  }
  tracker.season = learn(tracker.season, at, added - last.added, (at - last.at) / 1000);
  tracker.window.push({ at, added });
  while (tracker.window.length > 2 && (tracker.window[1] as { at: number }).at <= at - horizonMs)
    tracker.window.shift();
  const first = tracker.window[0] as { at: number; added: number };
  const recent = at > first.at ? (added - first.added) / ((at - first.at) / 1000) : 0;
  if (tracker.pending && at >= tracker.pending.due) {
    tracker.season = judge(tracker.season, tracker.pending.forecast, tracker.pending.naive, recent);
    tracker.pending = undefined;
  }
  const forecast = predict(tracker.season, at + horizonMs);
  if (forecast === undefined) return undefined;
  tracker.pending ??= { due: at + horizonMs, forecast, naive: recent };
  const error = scaledError(tracker.season);
  return {
    arrivalsPerSecond: forecast,
    usable: tracker.season.usable,
    ...(error === undefined ? {} : { scaledError: error }),
  };
}

/** A tracker with what an earlier process learned, when it was about the same season. */
export function restore(spec: PoolSpec, exported?: string): Tracker {
  const seasonSeconds = spec.prediction.seasonMinutes * 60;
  const parsed = exported === undefined ? undefined : seasonSchema.safeParse(safeJson(exported)).data;
  const season = parsed?.seasonSeconds === seasonSeconds ? parsed : newSeason(seasonSeconds);
  return { season, last: undefined, window: [], pending: undefined, exported, exportedBin: -1 };
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Cut off or edited by hand: learning starts again, which costs a season and harms nobody.
    return undefined;
  }
}
