/** Buckets grow by 10 %: a quantile is off by at most that much. The first ends at 0.1 ms, the last near 90 s. */
const GROWTH = 1.1;
const FIRST_MS = 0.1;
const BUCKETS = 145;
const LOG_GROWTH = Math.log(GROWTH);
/** When this many samples are held all counts are halved, so that the past fades. */
const HALVE_AT = 1_000;
/** Quantiles are recomputed after this many new samples, not on every question. */
const REFRESH_EVERY = 16;

export interface LatencyTracker {
  observe(ms: number): void;
  /** @param q 0 … 1. @returns milliseconds, or undefined before the first sample. */
  quantile(q: number): number | undefined;
  /** Samples seen since the start (not decayed). */
  count(): number;
}

/** A decaying histogram of durations with constant memory. */
export function createLatencyTracker(): LatencyTracker {
  const counts = new Float64Array(BUCKETS);
  let total = 0;
  let seen = 0;
  let fresh = 0;
  const memo = new Map<number, number>();

  return {
    observe(ms) {
      const bucket =
        ms <= FIRST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / FIRST_MS) / LOG_GROWTH));
      counts[bucket] = (counts[bucket] as number) + 1;
      total++;
      seen++;
      fresh++;
      if (fresh >= REFRESH_EVERY || seen < REFRESH_EVERY) {
        memo.clear();
        fresh = 0;
      }
      if (total >= HALVE_AT) {
        total = 0;
        for (let i = 0; i < BUCKETS; i++) {
          counts[i] = (counts[i] as number) / 2;
          total += counts[i] as number;
        }
      }
    },
    quantile(q) {
      if (seen === 0) return undefined;
      const known = memo.get(q);
      if (known !== undefined) return known;
      const rank = q * total;
      let sum = 0;
      let bucket = 0;
      for (; bucket < BUCKETS - 1; bucket++) {
        sum += counts[bucket] as number;
        if (sum >= rank) break;
      }
      const value = FIRST_MS * GROWTH ** bucket;
      memo.set(q, value);
      return value;
    },
    count: () => seen,
  };
}
