import type { ExtraCallBudget } from '../providers/budget.ts';
import { createLatencyTracker, type LatencyTracker } from '../providers/latency.ts';
import { isKnownMethod } from './methods.ts';

/** Second calls that hedging may add, as a share of all calls. */
export const HEDGE_RATIO = 0.055;
/** The delay is where this share of calls has been answered: what is left fits the budget. */
const DELAY_QUANTILE = 1 - HEDGE_RATIO;
/**
 * Never later than this many times the 75th percentile plus a few milliseconds: when more calls are slow than the
 * budget covers, the quantile lands among the slow ones and would switch hedging off just when it is needed.
 */
const CAP_FACTOR = 2;
const CAP_EXTRA_MS = 8;
/** Earlier than this a hedge only doubles the load. */
const MIN_DELAY_MS = 2;
/** Calls of a method that must have been seen before its delay is believed. */
const MIN_SAMPLES = 20;
/** The delay for methods of which too little is known. */
const UNKNOWN_DELAY_MS = 1_000;
const MAX_HEDGES = 2;

export interface HedgePolicy {
  /** One hedgeable call was made; earns budget. */
  onCall(): void;
  onLatency(method: string, ms: number): void;
  /** A first attempt was overtaken by its hedge after `ms`: it took at least that long. */
  onCensored(method: string, ms: number): void;
  /**
   * Milliseconds to wait before the next hedge.
   * @param already hedges this call has had
   * @returns undefined when there shall be none
   */
  delay(method: string, already: number): number | undefined;
  /** Takes a hedge out of the budget. */
  take(): boolean;
}

/** When to send a call a second time because the first is later than calls of its method usually are. */
export function createHedgePolicy(deps: {
  budget: ExtraCallBudget;
  enabled: boolean | (() => boolean);
}): HedgePolicy {
  const enabled = typeof deps.enabled === 'function' ? deps.enabled : () => deps.enabled === true;
  const trackers = new Map<string, LatencyTracker>();
  const tracker = (method: string): LatencyTracker => {
    // Methods outside the table share one record: their names come from clients and must not grow memory.
    const key = isKnownMethod(method) ? method : 'other';
    let found = trackers.get(key);
    if (found === undefined) {
      found = createLatencyTracker();
      trackers.set(key, found);
    }
    return found;
  };
  return {
    onCall: () => deps.budget.onCall(),
    onLatency: (method, ms) => tracker(method).observe(ms),
    onCensored: (method, ms) => tracker(method).observe(ms * 2),
    delay(method, already) {
      if (!enabled() || already >= MAX_HEDGES) return undefined;
      const record = tracker(method);
      if (record.count() < MIN_SAMPLES) return UNKNOWN_DELAY_MS;
      const learned = record.quantile(DELAY_QUANTILE) as number;
      const cap = (record.quantile(0.75) as number) * CAP_FACTOR + CAP_EXTRA_MS;
      return Math.max(MIN_DELAY_MS, Math.min(learned, cap));
    },
    take: () => deps.budget.take(),
  };
}
