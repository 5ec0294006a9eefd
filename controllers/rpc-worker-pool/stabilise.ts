import type { Memory, PoolSpec } from './types.ts';

type Run = Memory['recommendations'][number];

/** As many runs as memory keeps; the window still holds when the oldest are merged (see `remember`). */
const MAX_RUNS = 64;

/**
 * Adds a recommendation to the run-length encoded history. Nothing changes while the recommendation stays the same,
 * so a pool at rest writes nothing to the API server. Runs that ended before the longest window are dropped.
 */
export function remember(
  history: readonly Run[],
  replicas: number,
  at: number,
  longestWindowMs: number,
): Run[] {
  const last = history.at(-1);
  const runs = last && last.replicas === replicas ? [...history] : [...history, { replicas, from: at }];
  let first = 0;
  while (first + 1 < runs.length && (runs[first + 1] as Run).from <= at - longestWindowMs) first++;
  const kept = runs.slice(first);
  while (kept.length > MAX_RUNS) {
    // Merge the two oldest into the larger: it can only delay a scale-down, never cause one.
    const [a, b, ...rest] = kept as [Run, Run, ...Run[]];
    kept.splice(0, kept.length, { replicas: Math.max(a.replicas, b.replicas), from: a.from }, ...rest);
  }
  return kept;
}

/** Recommendations that held at some moment within the last `windowMs`. */
function within(history: readonly Run[], at: number, windowMs: number): number[] {
  return history
    .filter((_, index) => {
      const end = history[index + 1]?.from ?? Number.POSITIVE_INFINITY;
      return end > at - windowMs;
    })
    .map((run) => run.replicas);
}

/**
 * The least movement that was recommended throughout the window of its direction: up to the smallest, down to the
 * largest recommendation. `history` must end with the present recommendation.
 */
export function stabilise(
  behavior: PoolSpec['behavior'],
  history: readonly Run[],
  current: number,
  at: number,
): number {
  const latest = history.at(-1)?.replicas ?? current;
  const up = Math.min(latest, ...within(history, at, behavior.scaleUp.stabilizationWindowSeconds * 1000));
  const down = Math.max(latest, ...within(history, at, behavior.scaleDown.stabilizationWindowSeconds * 1000));
  if (up > current) return up;
  if (down < current) return down;
  return current;
}
