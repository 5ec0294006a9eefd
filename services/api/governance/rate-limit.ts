import { LRUCache } from 'lru-cache';
import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';

/** What a caller may do, and what is left of it. */
export interface RateVerdict {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the whole limit is there again. */
  readonly resetSeconds: number;
  /** Seconds until one more request is allowed; 0 when it is now. */
  readonly retryAfterSeconds: number;
}

const WINDOW_MS = 60_000;
/** A caller may use this share of a minute's limit at once; the rest comes back evenly. */
const BURST_SHARE = 1;

/**
 * The generic cell rate algorithm (ITU-T I.371): one number per caller, the time at which its bucket is full again.
 * One script, one round trip, and nothing that two replicas could disagree on: Redis's own clock decides.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local next = tat + interval
local wait = next - burst - now
if wait > 0 then return { 0, tostring(tat - now), tostring(wait) } end
redis.call('SET', KEYS[1], next, 'PX', math.ceil(next - now) + 1)
return { 1, tostring(next - now), '0' }
`;

export type RateLimiter = ReturnType<typeof createRateLimiter>;

/** Limits requests per caller over all replicas. Without Redis each replica limits by itself, and that is counted. */
export function createRateLimiter(deps: {
  redis: Redis;
  prefix: string;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}) {
  const { redis, prefix, clock, log, metrics } = deps;
  const local = new LRUCache<string, number>({ max: 50_000 });
  let warned = false;
  const decisions = metrics.counter({
    name: 'api_rate_limit_decisions_total',
    help: 'Requests let through or refused by the rate limit, and where the count was kept.',
    labels: ['decision', 'store'],
  });

  const verdict = (limit: number, allowed: boolean, backlogMs: number, waitMs: number): RateVerdict => {
    const interval = WINDOW_MS / limit;
    const burst = WINDOW_MS * BURST_SHARE;
    return {
      allowed,
      limit,
      remaining: Math.max(0, Math.floor((burst - backlogMs) / interval)),
      resetSeconds: Math.ceil(backlogMs / 1000),
      retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil(waitMs / 1000)),
    };
  };

  function takeLocally(caller: string, limit: number): RateVerdict {
    const now = clock.monotonic();
    const tat = Math.max(local.get(caller) ?? now, now);
    const next = tat + WINDOW_MS / limit;
    const wait = next - WINDOW_MS * BURST_SHARE - now;
    if (wait > 0) return verdict(limit, false, tat - now, wait);
    local.set(caller, next);
    return verdict(limit, true, next - now, 0);
  }

  return {
    /** @param limit requests per minute. */
    async take(caller: string, limit: number): Promise<RateVerdict> {
      let result: RateVerdict;
      let store = 'redis';
      try {
        const [ok, backlog, wait] = (await redis.eval(
          SCRIPT,
          1,
          `${prefix}rate:${caller}`,
          WINDOW_MS / limit,
          WINDOW_MS * BURST_SHARE,
        )) as [number, string, string];
        result = verdict(limit, ok === 1, Number(backlog), Number(wait));
        warned = false;
      } catch (err) {
        if (!warned) log.warn({ err }, 'rate limits are counted per replica until Redis is back');
        warned = true;
        store = 'local';
        result = takeLocally(caller, limit);
      }
      decisions.inc({ decision: result.allowed ? 'allowed' : 'refused', store });
      return result;
    },
  };
}
