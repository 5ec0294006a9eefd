import type { Clock } from '../../../lib/time.ts';

/** Share of a second that may be sent at once. Small, because providers count in short windows. */
const BURST_SECONDS = 0.1;
/** What the provider accepted is counted in slots of this length, the last second of them. */
const SLOT_MS = 100;
const SLOTS = 10;
/** A count over a shorter time than this says nothing about a rate. */
const MIN_SPAN_MS = 50;
/**
 * Growth per second while the limit is in use and nothing is refused. It starts slowly, because a limit that was just
 * met is probably still there, and doubles every few seconds, because one that was not met again may have been lifted.
 */
const GROWTH_PER_SECOND = 0.02;
const GROWTH_DOUBLES_EVERY_MS = 3_000;
const MAX_GROWTH_PER_SECOND = 1;
/** Share of the limit that must be in use before it grows: an unused limit teaches nothing. */
const USE_TO_GROW = 0.85;
/**
 * How long the limit rests after a refusal before it grows. A refusal that came with a pause has cost that pause, so
 * the next one is risked later: at this many times the pause, trying again costs less than two per cent.
 */
const REST_MS = 5_000;
const MAX_REST_MS = 120_000;
/**
 * An estimate from many answers is good, and a refusal with a pause costs that pause: the next raise is risked late, so
 * that trying costs less than two per cent. One from a handful of answers may be far off: the first rests are short, and
 * each raise that meets the limit again near where it was makes the next one longer.
 */
const REST_PER_PAUSE = { first: 2, last: 60, step: 4 } as const;
const MANY_ANSWERS = 15;
/** A raise this far above what had held, before it was refused, means that the old estimate was wrong. */
const FAR_ABOVE = 1.5;
/**
 * Refusals of a share this small, at least so many answers in the last second, are no limit that lower rates would meet
 * less often: they are the provider's mood. They are retried elsewhere, and teach nothing.
 */
const MOOD_SHARE = 0.12;
const MOOD_ANSWERS = 10;
/** The limit never falls below this share of what was accepted per second within the memory's half-life. */
const FLOOR_SHARE = 0.1;
const FLOOR_HALF_LIFE_MS = 30_000;
/** Cut when refused again soon after the last cut: the limit is still far too high. */
const DEEP_CUT = 0.8;
const SOON_MS = 3_000;
/** Cut when refused after the limit had held for a while. */
const LIGHT_CUT = 0.95;
/** The first estimate stays below what was accepted, which includes the provider's allowance for bursts. */
const FIRST_CUT = 0.9;
/** Several refusals of one moment are one piece of news. */
const CUT_AT_MOST_EVERY_MS = 300;
const SMALLEST_RATE = 1;

export interface RateLimit {
  /** Calls per second, Infinity while no limit is declared or learned. */
  rate(): number;
  /** True when a call may be sent now. Takes its token. */
  tryTake(): boolean;
  /** Milliseconds until a token is there; 0 when one is. */
  waitMs(): number;
  /** 0 … 1: how much of a second's allowance is unused; 1 without a limit. For balancing between providers. */
  remaining(): number;
  onAccepted(): void;
  /** @param pauseMs what the provider asked for with Retry-After */
  onRefused(pauseMs: number | undefined): void;
  /** Paused by Retry-After for this many milliseconds more. */
  pausedMs(): number;
  readonly learned: boolean;
}

/** Counts events of the last second in slots. */
function createSecond(clock: Pick<Clock, 'monotonic'>): {
  add(): void;
  sum(now: number): number;
  clear(): void;
} {
  const counts = new Array<number>(SLOTS).fill(0);
  let slot = Math.floor(clock.monotonic() / SLOT_MS);
  const roll = (now: number): void => {
    const current = Math.floor(now / SLOT_MS);
    const steps = Math.min(SLOTS, current - slot);
    for (let i = 1; i <= steps; i++) counts[(slot + i) % SLOTS] = 0;
    slot = current;
  };
  return {
    add() {
      roll(clock.monotonic());
      counts[slot % SLOTS] = (counts[slot % SLOTS] as number) + 1;
    },
    sum(now) {
      roll(now);
      let total = 0;
      for (const count of counts) total += count;
      return total;
    },
    clear: () => void counts.fill(0),
  };
}

/**
 * A provider's rate limit, declared or learned: unlimited until the first 429, then near what the provider accepted;
 * cut while it refuses, back to the last rate that held when a careful raise goes too far. Never below one call per
 * second.
 */
export function createRateLimit(clock: Pick<Clock, 'monotonic'>, declared: number | undefined): RateLimit {
  const ceiling = declared ?? Number.POSITIVE_INFINITY;
  let rate = ceiling;
  let learned = false;
  /** The rate that had held for a whole rest before the last growth began. */
  let held = Number.POSITIVE_INFINITY;
  let growing = false;
  let tokens = Number.isFinite(rate) ? Math.max(1, rate * BURST_SECONDS) : 0;
  let at = clock.monotonic();
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let growAfter = 0;
  let lastCutAt = Number.NEGATIVE_INFINITY;
  let grownAt = at;
  /** Since when calls have been flowing, without a pause. */
  let flowingSince: number | undefined;
  const accepted = createSecond(clock);
  const refused = createSecond(clock);
  /** The most that was accepted in a second, fading. */
  let best = 0;
  let bestAt = at;
  let restPerPause: number = REST_PER_PAUSE.first;
  const taken = createSecond(clock);
  /** Somebody was turned away since the last step of growth: the limit is in demand. */
  let wanted = false;

  const refill = (now: number): void => {
    if (!Number.isFinite(rate)) return;
    if (now > at) {
      tokens = Math.min(Math.max(1, rate * BURST_SECONDS), tokens + ((now - at) / 1_000) * rate);
      at = now;
    }
    if (!learned || now < growAfter || rate >= ceiling) {
      grownAt = now;
      return;
    }
    const since = now - grownAt;
    if (since < SLOT_MS) return;
    grownAt = now;
    if (!wanted && taken.sum(now) < rate * USE_TO_GROW) return;
    wanted = false;
    if (!growing) {
      growing = true;
      held = rate;
    }
    const growth = Math.min(
      MAX_GROWTH_PER_SECOND,
      GROWTH_PER_SECOND * 2 ** ((now - growAfter) / GROWTH_DOUBLES_EVERY_MS),
    );
    rate = Math.min(ceiling, rate + Math.max(0.5, rate * growth) * Math.min(1, since / 1_000));
  };

  /** Calls per second that were accepted while calls were flowing. */
  const observed = (now: number): number => {
    const span = Math.min(SLOTS * SLOT_MS, now - (flowingSince ?? now));
    return (accepted.sum(now) * 1_000) / Math.max(MIN_SPAN_MS, span);
  };

  const remembered = (now: number): number => {
    best = Math.max(best * 2 ** (-(now - bestAt) / FLOOR_HALF_LIFE_MS), accepted.sum(now));
    bestAt = now;
    return best;
  };
  /** True when so few are refused that going slower would not help. */
  const isMood = (now: number): boolean => {
    const bad = refused.sum(now);
    const all = bad + accepted.sum(now);
    return all >= MOOD_ANSWERS && bad / all <= MOOD_SHARE;
  };

  return {
    get learned() {
      return learned;
    },
    rate: () => rate,
    tryTake() {
      const now = clock.monotonic();
      if (now < pausedUntil) return false;
      refill(now);
      if (Number.isFinite(rate)) {
        if (tokens < 1) return false;
        tokens -= 1;
      }
      if (flowingSince === undefined) {
        flowingSince = now;
        accepted.clear();
      }
      taken.add();
      return true;
    },
    waitMs() {
      const now = clock.monotonic();
      refill(now);
      const pause = Math.max(0, pausedUntil - now);
      if (!Number.isFinite(rate) || tokens >= 1) return pause;
      wanted = true;
      return Math.max(pause, ((1 - tokens) / rate) * 1_000);
    },
    remaining() {
      if (!Number.isFinite(rate)) return 1;
      const now = clock.monotonic();
      refill(now);
      return Math.max(0, 1 - taken.sum(now) / rate);
    },
    pausedMs: () => Math.max(0, pausedUntil - clock.monotonic()),
    onAccepted() {
      accepted.add();
      if (learned) remembered(clock.monotonic());
    },
    onRefused(pauseMs) {
      const now = clock.monotonic();
      const pause = pauseMs ?? 0;
      if (pause > 0) pausedUntil = Math.max(pausedUntil, now + pause);
      refused.add();
      const floor = remembered(now) * FLOOR_SHARE;
      // A refusal with a pause is meant: it names a limit, however rare it is.
      if (pause === 0 && isMood(now)) return;
      const news = now - lastCutAt >= CUT_AT_MOST_EVERY_MS;
      if (news) {
        if (!learned && !Number.isFinite(rate)) {
          rate = observed(now) * FIRST_CUT;
          if (accepted.sum(now) >= MANY_ANSWERS) restPerPause = REST_PER_PAUSE.last;
        } else if (growing && held < rate) {
          restPerPause =
            rate > held * FAR_ABOVE
              ? REST_PER_PAUSE.first
              : Math.min(REST_PER_PAUSE.last, restPerPause * REST_PER_PAUSE.step);
          rate = held;
        }
        // The time that was spent in the pause itself does not count as having held.
        else rate *= now - lastCutAt < SOON_MS + pause ? DEEP_CUT : LIGHT_CUT;
        rate = Math.max(SMALLEST_RATE, floor, Math.min(rate, ceiling));
        lastCutAt = now;
        learned = true;
        growing = false;
        tokens = 0;
        at = Math.max(now, pausedUntil);
      }
      growAfter = Math.max(growAfter, now + Math.min(MAX_REST_MS, Math.max(REST_MS, pause * restPerPause)));
      if (pause > 0) flowingSince = undefined;
    },
  };
}
