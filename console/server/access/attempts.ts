import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../lib/time.ts';

/** Counts tries under a key within a sliding window, in bounded memory. */
export interface Attempts {
  /** Counts one; seconds to wait when there were too many, else 0. */
  take(key: string): number;
  forget(key: string): void;
}

const MAX_KEYS = 10_000;

/**
 * Per process: with n replicas an attacker gets n times as many tries, which the cost of a hash bounds as well.
 *
 * @param windowMs time in which `limit` tries are allowed
 */
export function createAttempts(deps: {
  clock: Pick<Clock, 'monotonic'>;
  limit: number;
  windowMs: number;
}): Attempts {
  const { clock, limit, windowMs } = deps;
  const tries = new LRUCache<string, number[]>({ max: MAX_KEYS });
  return {
    take(key) {
      const now = clock.monotonic();
      const recent = (tries.get(key) ?? []).filter((at) => now - at < windowMs);
      if (recent.length >= limit) {
        tries.set(key, recent);
        return Math.max(1, Math.ceil((windowMs - (now - (recent[0] ?? now))) / 1_000));
      }
      recent.push(now);
      tries.set(key, recent);
      return 0;
    },
    forget: (key) => void tries.delete(key),
  };
}
