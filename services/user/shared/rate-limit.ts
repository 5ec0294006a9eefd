import { AppError } from '../../../lib/errors.ts';
import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';

/** So many within so long. */
export interface Limit {
  readonly name: string;
  readonly max: number;
  readonly windowMs: number;
}

export interface RateLimiter {
  /** Counts one use. @throws AppError `rate_limited` with the seconds until the window ends. */
  take(limit: Limit, subject: string): Promise<void>;
}

/** Counted and expired in one step: a crash in between would leave a counter that never ends. */
const COUNT = `local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}`;

/** Subjects remembered locally while Redis is away; beyond it the oldest are forgotten. */
const LOCAL_MAX = 10_000;

/**
 * Fixed windows, shared by all replicas through Redis. While Redis is away each replica counts for itself: the limit is
 * then per replica, which is looser, and nobody is locked out by a dead Redis.
 */
export function createRateLimiter(deps: {
  redis: Redis;
  prefix: string;
  clock: Pick<Clock, 'now'>;
  onFallback: () => void;
}): RateLimiter {
  const { redis, prefix, clock, onFallback } = deps;
  const local = new Map<string, { count: number; endsAt: number }>();

  const countLocally = (key: string, windowMs: number): [number, number] => {
    const now = clock.now();
    const known = local.get(key);
    const entry = known && known.endsAt > now ? known : { count: 0, endsAt: now + windowMs };
    entry.count++;
    local.delete(key);
    local.set(key, entry);
    if (local.size > LOCAL_MAX) local.delete(local.keys().next().value as string);
    return [entry.count, entry.endsAt - now];
  };

  return {
    async take(limit, subject) {
      const key = `${prefix}limit:${limit.name}:${subject}`;
      let count: number;
      let leftMs: number;
      try {
        if (redis.status !== 'ready') throw new Error('Redis is not connected');
        [count, leftMs] = (await redis.eval(COUNT, 1, key, limit.windowMs)) as [number, number];
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        onFallback();
        [count, leftMs] = countLocally(key, limit.windowMs);
      }
      if (count > limit.max)
        throw new AppError(
          'rate_limited',
          `At most ${limit.max} of these within ${Math.round(limit.windowMs / 1000)} s.`,
          {
            retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1000)),
          },
        );
    },
  };
}
