import type { Redis } from '../../../../lib/redis.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { UnitLimit } from '../principal.ts';

/** Units wanted from (or, when negative, given back to) one bucket. */
export interface LeaseRequest {
  readonly bucket: string;
  readonly limit: UnitLimit;
  readonly units: number;
}

export interface Lease {
  /** At most what was wanted; less when the bucket has less. */
  readonly granted: number;
  /** What is left in the bucket. */
  readonly left: number;
}

export interface LeaseAnswer {
  readonly leases: readonly Lease[];
  /** Processes that took part in the last seconds, this one included. */
  readonly processes: number;
}

/** Where token buckets live that several processes share. Rejects when it cannot be reached. */
export interface LeaseSource {
  lease(requests: readonly LeaseRequest[]): Promise<LeaseAnswer>;
}

/** A process that took no lease for this long does not count any more, milliseconds. */
const PRESENT_MS = 10_000;
/** Longer than a healthy Redis takes; beyond it a call is decided locally and does not wait. */
const LEASE_TIMEOUT_MS = 100;

/**
 * All buckets of a call in one round trip, each refilled, then lowered by at most what it holds. Redis's own clock, so
 * that replicas need not agree on the time. Nothing is written before everything is read.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local n = #KEYS - 1
local answer = {}
local writes = {}
for i = 1, n do
  local rate, burst, want = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local state = redis.call('HMGET', KEYS[i + 1], 'units', 'at')
  local at = tonumber(state[2] or now)
  local units = math.min(burst, tonumber(state[1] or burst) + math.max(0, now - at) * rate / 1000)
  local granted = math.max(0, math.min(want, units))
  if want < 0 then granted = want end
  units = math.min(burst, units - granted)
  writes[i] = { units, math.max(now, at), math.ceil(burst / rate * 1000) + 1000 }
  answer[2 * i - 1] = tostring(granted)
  answer[2 * i] = tostring(units)
end
for i = 1, n do
  redis.call('HSET', KEYS[i + 1], 'units', tostring(writes[i][1]), 'at', tostring(writes[i][2]))
  redis.call('PEXPIRE', KEYS[i + 1], writes[i][3])
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
answer[2 * n + 1] = redis.call('ZCARD', KEYS[1])
return answer
`;

export function createRedisLeaseSource(deps: {
  redis: Redis;
  prefix: string;
  /** Tells this process from others. */
  processId: string;
  clock: Pick<Clock, 'setTimeout'>;
}): LeaseSource {
  const { redis, clock } = deps;
  const prefix = `${deps.prefix}:limits:`;
  redis.defineCommand('leaseUnits', { lua: SCRIPT });
  const run = redis as unknown as {
    leaseUnits(count: number, ...rest: (string | number)[]): Promise<string[]>;
  };
  return {
    lease(requests) {
      return new Promise<LeaseAnswer>((resolve, reject) => {
        const timer = clock.setTimeout(
          () => reject(new Error(`no answer within ${LEASE_TIMEOUT_MS} ms`)),
          LEASE_TIMEOUT_MS,
        );
        run
          .leaseUnits(
            requests.length + 1,
            `${prefix}processes`,
            ...requests.map(({ bucket }) => prefix + bucket),
            deps.processId,
            PRESENT_MS,
            ...requests.flatMap(({ limit, units }) => [limit.unitsPerSecond, limit.burst, units]),
          )
          .then((answer) =>
            resolve({
              leases: requests.map((_, index) => ({
                granted: Number(answer[2 * index]),
                left: Number(answer[2 * index + 1]),
              })),
              processes: Math.max(1, Number(answer.at(-1))),
            }),
          )
          .catch(reject)
          .finally(() => timer.cancel());
      });
    },
  };
}
