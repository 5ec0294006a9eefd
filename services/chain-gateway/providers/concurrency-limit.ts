import type { Clock } from '../../../lib/time.ts';

/** Fewer calls at once than this are never the reason why a provider is slow. */
const FEWEST = 16;
/** Where it begins, and grows by half per window until the first sign of too much: nobody knows a new provider. */
const FIRST = 128;
/** How much slower than usual the middle answer may be before there is too much under way ... */
const TOLERANCE = 1.25;
/** ... and how many of the calls under way must be waiting rather than worked on, by the same comparison (Little, Vegas). */
const MOST_WAITING = 6;
/** Added to both sides of that comparison, milliseconds: what lies within a scheduler's whim says nothing. */
const NOISE_MS = 20;
/** Answers per second are counted over this time. */
const COUNTED_MS = 250;
/** The limit is looked at this often, with at least so many answers. */
const WINDOW_MS = 100;
const SAMPLES = 12;
const MOST_SAMPLES = 48;
/** Strongest cut at once. */
const DEEPEST_CUT = 0.7;
/** Share of the limit that must be in use before it grows: an unused limit teaches nothing. */
const USE_TO_GROW = 0.8;
/** What is usual follows slower answers at this rate per window: hardly while we may be the cause, quickly when we cannot be. */
const DRIFT = 0.001;
const FAST_DRIFT = 0.3;
/** Methods whose usual time is known; the names come from clients, so the memory is bounded. */
const MOST_METHODS = 100;

/** How many calls a provider takes at once before more only make each of them slower. */
export interface ConcurrencyLimit {
  limit(): number;
  /** Answers per second, of late. */
  perSecond(): number;
  /** @param inFlight calls that were under way together with this one, itself included */
  onAnswer(method: string, ms: number, inFlight: number): void;
}

/**
 * Finds that number from answer times. Each answer is compared with what is usual for its method at this provider; when
 * the middle one of a window is clearly slower than usual and enough calls must be waiting inside the provider, what was
 * under way is cut in proportion; while the limit is in use and answers come as usual, it grows by about its square root per window. The
 * median makes it deaf to a share of stuck calls, which hedging deals with. A provider that became slower for reasons
 * of its own is recognised by staying slow at {@link FEWEST} calls: then that is the new usual.
 */
export function createConcurrencyLimit(clock: Pick<Clock, 'monotonic'>, most: number): ConcurrencyLimit {
  const fewest = Math.min(FEWEST, most);
  const usual = new Map<string, { ms: number; last: number }>();
  let limit = Math.min(FIRST, most);
  let steep = true;
  let windowFrom = clock.monotonic();
  let ratios: number[] = [];
  let seen = 0;
  let answers = 0;
  let countedFrom = windowFrom;
  let perSecond = 0;

  const drift = (by: number): void => {
    for (const own of usual.values()) if (own.last > own.ms) own.ms = Math.min(own.last, own.ms * (1 + by));
  };
  const close = (now: number): void => {
    ratios.sort((a, b) => a - b);
    const middle = ratios[ratios.length >> 1] as number;
    const peak = seen;
    ratios = [];
    seen = 0;
    windowFrom = now;
    if (middle > TOLERANCE) {
      const used = Math.min(limit, peak);
      const blameless = limit <= fewest;
      drift(blameless ? FAST_DRIFT : DRIFT);
      if (blameless) steep = true;
      else if (used * (1 - 1 / middle) > MOST_WAITING) {
        steep = false;
        limit = Math.max(fewest, Math.floor(used * Math.max(DEEPEST_CUT, TOLERANCE / middle)));
      }
      return;
    }
    drift(DRIFT);
    if (peak >= limit * USE_TO_GROW) {
      limit = Math.min(most, limit + Math.ceil(steep ? limit / 2 : Math.sqrt(limit)));
    }
  };

  return {
    limit: () => limit,
    perSecond: () => perSecond,
    onAnswer(method, ms, inFlight) {
      const now = clock.monotonic();
      if (inFlight > seen) seen = inFlight;
      answers++;
      if (now - countedFrom >= COUNTED_MS) {
        perSecond = (answers * 1_000) / (now - countedFrom);
        answers = 0;
        countedFrom = now;
      }
      const before = usual.get(method);
      if (before === undefined) {
        if (usual.size >= MOST_METHODS) usual.clear();
        usual.set(method, { ms, last: ms });
        return;
      }
      if (ratios.length < MOST_SAMPLES) ratios.push((ms + NOISE_MS) / (before.ms + NOISE_MS));
      before.last = ms;
      // Down at once in part, up by the drift only: the best recent times are what the provider can do.
      if (ms < before.ms) before.ms += (ms - before.ms) * 0.1;
      if (now - windowFrom >= WINDOW_MS && ratios.length >= SAMPLES) close(now);
    },
  };
}
