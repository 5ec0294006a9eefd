import type { Clock } from '../../../lib/time.ts';

/** Share of a second that may be sent at once. Small, because providers count in short windows. */
const BURST_SECONDS = 0.1;
/** Window in which accepted calls are counted, to know what the provider really took before it refused. */
const WINDOW_MS = 1_000;
/**
 * Growth per second while the limit is in use and nothing is refused. It starts slowly, because a limit that was just
 * met is probably still there, and doubles every few seconds, because one that was not met again may have been lifted.
 */
const GROWTH_PER_SECOND = 0.02;
const GROWTH_DOUBLES_EVERY_MS = 3_000;
const MAX_GROWTH_PER_SECOND = 1;
/** Share of the limit that must be in use before it grows: an unused limit teaches nothing. */
const USE_TO_GROW = 0.85;
/** After a refusal the limit rests this long, or this many times the pause the provider asked for, before it grows. */
const REST_MS = 5_000;
const REST_PER_PAUSE = 15;
/** Cut below what was accepted, so that the next window fits. */
const CUT = 0.97;
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

/**
 * A provider's rate limit, declared or learned: unlimited until the first 429, then what the provider accepted in
 * the last second, growing slowly while it is in use and cut when refused. Never below one call per second.
 */
export function createRateLimit(clock: Pick<Clock, 'monotonic'>, declared: number | undefined): RateLimit {
  const ceiling = declared ?? Number.POSITIVE_INFINITY;
  let rate = ceiling;
  let learned = false;
  let tokens = Number.isFinite(rate) ? Math.max(1, rate * BURST_SECONDS) : 0;
  let at = clock.monotonic();
  let pausedUntil = 0;
  let growAfter = 0;
  let lastCutAt = Number.NEGATIVE_INFINITY;
  let grownAt = at;
  // Accepted and sent calls in two half windows: a sliding count without a list.
  let windowStart = at;
  let accepted = 0;
  let acceptedBefore = 0;
  let taken = 0;
  /** Somebody was turned away since the last step of growth: the limit is in demand. */
  let wanted = false;
  let takenBefore = 0;

  const roll = (now: number): void => {
    const elapsed = now - windowStart;
    if (elapsed < WINDOW_MS) return;
    const adjacent = elapsed < 2 * WINDOW_MS;
    acceptedBefore = adjacent ? accepted : 0;
    takenBefore = adjacent ? taken : 0;
    accepted = 0;
    taken = 0;
    windowStart = adjacent ? windowStart + WINDOW_MS : now;
  };
  const perSecond = (current: number, before: number, now: number): number => {
    const share = Math.min(1, (now - windowStart) / WINDOW_MS);
    return current + before * (1 - share);
  };
  const refill = (now: number): void => {
    roll(now);
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
    if (since < 100) return;
    grownAt = now;
    const growth = Math.min(
      MAX_GROWTH_PER_SECOND,
      GROWTH_PER_SECOND * 2 ** ((now - growAfter) / GROWTH_DOUBLES_EVERY_MS),
    );
    if (wanted || perSecond(taken, takenBefore, now) >= rate * USE_TO_GROW) {
      wanted = false;
      rate = Math.min(ceiling, rate + Math.max(0.5, rate * growth) * Math.min(1, since / 1_000));
    }
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
      taken++;
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
      return Math.max(0, 1 - perSecond(taken, takenBefore, now) / rate);
    },
    pausedMs: () => Math.max(0, pausedUntil - clock.monotonic()),
    onAccepted() {
      roll(clock.monotonic());
      accepted++;
    },
    onRefused(pauseMs) {
      const now = clock.monotonic();
      roll(now);
      if (pauseMs !== undefined && pauseMs > 0) pausedUntil = Math.max(pausedUntil, now + pauseMs);
      growAfter = now + Math.max(REST_MS, (pauseMs ?? 0) * REST_PER_PAUSE);
      if (now - lastCutAt < CUT_AT_MOST_EVERY_MS) return;
      lastCutAt = now;
      const took = Math.max(accepted, perSecond(accepted, acceptedBefore, now));
      rate = Math.max(
        SMALLEST_RATE,
        Math.min(
          Number.isFinite(rate) ? rate * CUT : Number.POSITIVE_INFINITY,
          Math.max(took * CUT, SMALLEST_RATE),
        ),
      );
      learned = true;
      tokens = 0;
      at = now;
    },
  };
}
