import { OBJECTIVES } from './objectives.ts';

/** Bounds in seconds between which the answers of a healthy service fall. */
const DURATION_LADDER = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 5, 10] as const;

/** Bounds in seconds for what takes blocks, not milliseconds: inclusion, confirmation, notification delay. */
export const CHAIN_BUCKETS = [0.25, 0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 900, 3600] as const;

const ascending = (a: number, b: number): number => a - b;

/** The ladder with every threshold that an objective of the histogram has; of all our services when none is named. */
export function bucketsFor(
  histogram?: string,
  ladder: readonly number[] = DURATION_LADDER,
): readonly number[] {
  const thresholds = OBJECTIVES.flatMap(({ indicator, service }) =>
    indicator.kind === 'latency' &&
    // Web vitals have bounds of their own: browsers measure other things than services do.
    (histogram === undefined ? service !== 'console' : indicator.histogram === histogram)
      ? [indicator.thresholdSeconds]
      : [],
  );
  return [...new Set([...ladder, ...thresholds])].sort(ascending);
}

/**
 * Bounds of every duration histogram. A quantile is only as exact as the bucket that it falls into, and an objective
 * can only be measured at a bound: so every threshold of an objective is one.
 */
export const DURATION_BUCKETS: readonly number[] = bucketsFor();
