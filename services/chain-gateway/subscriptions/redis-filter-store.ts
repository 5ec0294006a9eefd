import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';
import { RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { FilterState, FilterStore, FilterStoreLimits, VersionedFilter } from './filter-store.ts';

/** KEYS: the filter, the set of all filters by expiry. ARGV: id, state, now, ttl, most filters. */
const CREATE = `
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3] + ARGV[4], ARGV[1])
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'version', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4] * 2)
return 1`;

/** Reading is polling: it keeps the filter alive. */
const GET = `
local found = redis.call('HMGET', KEYS[1], 'state', 'version')
if not found[1] then return false end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3] + ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[4] * 2)
return found`;

/** ARGV: id, state, now, ttl, the version that was read. */
const REPLACE = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[5] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'version', ARGV[5] + 1)
return 1`;

const DELETE = `
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])`;

/** Filters shared by all replicas. Redis away means no filters, and says so: state that is lost cannot be made up. */
export function createRedisFilterStore(
  deps: FilterStoreLimits & { redis: Redis; prefix: string; chainId: number; clock: Clock },
): FilterStore {
  const { redis, clock, maxFilters, ttlMs } = deps;
  // One hash tag, so that both keys of a script are on one node of a Redis cluster.
  const base = `${deps.prefix}:{filters:${deps.chainId}}`;

  async function run(script: string, id: string, ...rest: (string | number)[]): Promise<unknown> {
    const [state = '', last = ''] = rest;
    try {
      return await redis.eval(script, 2, `${base}:${id}`, `${base}:all`, id, state, clock.now(), ttlMs, last);
    } catch (cause) {
      throw new RpcCallError(-32603, 'filters are unavailable: their store does not answer', {
        retry: 'later',
        retryAfterSeconds: 1,
        cause,
      });
    }
  }

  return {
    create: async (id, state) => (await run(CREATE, id, JSON.stringify(state), maxFilters)) === 1,
    async get(id): Promise<VersionedFilter | undefined> {
      const found = (await run(GET, id)) as [string, string] | null;
      if (found === null) return undefined;
      return { state: JSON.parse(found[0]) as FilterState, version: Number(found[1]) };
    },
    replace: async (id, state, version) => (await run(REPLACE, id, JSON.stringify(state), version)) === 1,
    delete: async (id) => (await run(DELETE, id)) === 1,
  };
}
