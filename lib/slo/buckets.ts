/**
 * Histogram bucket bounds in seconds. The latency objective (500 ms) and the figures we aim at must be bounds
 * themselves: a quantile is only as exact as the bucket that it falls into, and an SLO needs its own bucket.
 */
export const DURATION_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** Bounds in seconds for what takes blocks, not milliseconds: inclusion, confirmation, notification delay. */
export const CHAIN_BUCKETS = [0.25, 0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 900, 3600] as const;
