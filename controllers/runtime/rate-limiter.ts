import type { Clock } from '../../lib/time.ts';

/** Says how long a failed key must wait before it is tried again. */
export interface RateLimiter {
  /** Milliseconds until the next try; every call counts as one more failure. */
  when(key: string): number;
  /** The key succeeded: its next failure starts from the shortest wait. */
  forget(key: string): void;
  failures(key: string): number;
}

/**
 * Exponential backoff per key, and a token bucket over all keys together: a thousand failing objects must not
 * become a thousand tries per second. The longer of the two waits counts.
 */
export function createRateLimiter(options: {
  clock: Clock;
  baseMs?: number;
  maxMs?: number;
  /** Tries per second over all keys. */
  perSecond?: number;
  burst?: number;
}): RateLimiter {
  const { clock, baseMs = 50, maxMs = 60_000, perSecond = 20, burst = 100 } = options;
  const failures = new Map<string, number>();
  let tokens = burst;
  let refilledAt = clock.monotonic();

  function takeToken(): number {
    const now = clock.monotonic();
    tokens = Math.min(burst, tokens + ((now - refilledAt) / 1000) * perSecond) - 1;
    refilledAt = now;
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
  }

  return {
    when(key) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      const backoff = Math.min(maxMs, baseMs * 2 ** Math.min(count, 30));
      return Math.max(backoff, takeToken());
    },
    forget: (key) => void failures.delete(key),
    failures: (key) => failures.get(key) ?? 0,
  };
}
