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

/** One limit that a request counts against. */
export interface Bucket {
  /** Whose, and what for; never an address of a person in the clear. */
  readonly key: string;
  readonly perMinute: number;
}

/**
 * The generic cell rate algorithm (ITU-T I.371): one number per bucket, the time at which it is full again. One
 * script, one round trip for all the buckets of a request, and nothing that two replicas could disagree on: Redis's
 * own clock decides. A request that one bucket refuses takes nothing from the others.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local burst = tonumber(ARGV[#KEYS + 1])
local backlog, next, refused, longest = {}, {}, 0, 0
for i = 1, #KEYS do
  local tat = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now)
  next[i] = tat + tonumber(ARGV[i])
  backlog[i] = tostring(tat - now)
  local wait = next[i] - burst - now
  if wait > longest then refused, longest = i, wait end
end
if refused > 0 then return { refused, tostring(longest), backlog } end
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], next[i], 'PX', math.ceil(next[i] - now) + 1)
  backlog[i] = tostring(next[i] - now)
end
return { 0, '0', backlog }
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

  function takeLocally(buckets: readonly Bucket[]): [number, number, number[]] {
    const now = clock.monotonic();
    const tats = buckets.map(({ key }) => Math.max(local.get(key) ?? now, now));
    let refused = 0;
    let longest = 0;
    const next = tats.map((tat, i) => {
      const after = tat + WINDOW_MS / (buckets[i] as Bucket).perMinute;
      const wait = after - WINDOW_MS * BURST_SHARE - now;
      if (wait > longest) [refused, longest] = [i + 1, wait];
      return after;
    });
    if (refused > 0) return [refused, longest, tats.map((tat) => tat - now)];
    for (const [i, { key }] of buckets.entries()) local.set(key, next[i] as number);
    return [0, 0, next.map((after) => after - now)];
  }

  return {
    /**
     * Takes one request from every bucket, or from none.
     * @returns the verdict of the bucket that refuses, else of the first one.
     */
    async take(buckets: readonly [Bucket, ...Bucket[]]): Promise<RateVerdict & { bucket: Bucket }> {
      let store = 'redis';
      let answer: [number, number, number[]];
      try {
        const [refused, wait, backlog] = (await redis.eval(
          SCRIPT,
          buckets.length,
          ...buckets.map(({ key }) => `${prefix}rate:${key}`),
          ...buckets.map(({ perMinute }) => WINDOW_MS / perMinute),
          WINDOW_MS * BURST_SHARE,
        )) as [number, string, string[]];
        answer = [refused, Number(wait), backlog.map(Number)];
        warned = false;
      } catch (err) {
        if (!warned) log.warn({ err }, 'rate limits are counted per replica until Redis is back');
        warned = true;
        store = 'local';
        answer = takeLocally(buckets);
      }
      const [refused, wait, backlog] = answer;
      const index = Math.max(0, refused - 1);
      const bucket = buckets[index] as Bucket;
      decisions.inc({ decision: refused === 0 ? 'allowed' : 'refused', store });
      return { ...verdict(bucket.perMinute, refused === 0, backlog[index] ?? 0, wait), bucket };
    },
  };
}
