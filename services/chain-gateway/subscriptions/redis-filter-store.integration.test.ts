import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../../lib/log.ts';
import { closeRedis, createRedis, type Redis } from '../../../lib/redis.ts';
import { createManualClock } from '../../../lib/time.ts';
import { createTestRedis } from '../../../tools/testing/test-redis.ts';
import type { FilterState } from './filter-store.ts';
import { createRedisFilterStore } from './redis-filter-store.ts';

let server: Awaited<ReturnType<typeof createTestRedis>>;
let redis: Redis;
beforeAll(async () => {
  server = await createTestRedis();
  redis = createRedis({
    url: server.url,
    log: createLogger({ service: 'test', level: 'silent' }),
    role: 'test',
  });
});
afterAll(async () => {
  if (redis !== undefined) await closeRedis(redis);
  await server?.drop();
});

const state: FilterState = {
  kind: 'blocks',
  filter: {},
  principal: 'ann',
  chain: [{ number: 1, hash: '0x01' }],
  handedOut: [],
  seen: [],
};
const clock = createManualClock();
const storeFor = (chainId: number, limits: { maxFilters?: number; ttlMs?: number } = {}) =>
  createRedisFilterStore({
    redis,
    prefix: server.prefix,
    chainId,
    clock,
    maxFilters: 2,
    ttlMs: 60_000,
    ...limits,
  });

describe('filters in Redis', () => {
  it('are seen by every replica, and changed by one poll at a time', async () => {
    const [one, other] = [storeFor(1), storeFor(1)];
    expect(await one.create('0xa', state)).toBe(true);
    const read = await other.get('0xa');
    expect(read).toEqual({ state, version: 1 });
    const next = { ...state, chain: [{ number: 2, hash: '0x02' }] };
    expect(await one.replace('0xa', next, 1)).toBe(true);
    expect(await other.replace('0xa', state, 1)).toBe(false);
    expect(await other.get('0xa')).toEqual({ state: next, version: 2 });
    expect(await storeFor(2).get('0xa')).toBeUndefined();
    expect(await other.delete('0xa')).toBe(true);
    expect(await one.get('0xa')).toBeUndefined();
    expect(await one.replace('0xa', next, 2)).toBe(false);
  });

  it('are bounded, and make room when one expires', async () => {
    const store = storeFor(3, { ttlMs: 150 });
    expect(await store.create('0x1', state)).toBe(true);
    expect(await store.create('0x2', state)).toBe(true);
    expect(await store.create('0x3', state)).toBe(false);
    await clock.advance(200);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await store.get('0x1')).toBeUndefined();
    expect(await store.create('0x3', state)).toBe(true);
  });

  it('say so when Redis is away', async () => {
    const gone = createRedis({
      url: 'redis://127.0.0.1:1',
      log: createLogger({ service: 'test', level: 'silent' }),
      role: 'test',
      commandTimeoutMs: 100,
    });
    const store = createRedisFilterStore({
      redis: gone,
      prefix: 'x',
      chainId: 1,
      clock,
      maxFilters: 1,
      ttlMs: 1_000,
    });
    await expect(store.get('0x1')).rejects.toMatchObject({ code: -32603, retry: 'later' });
    gone.disconnect();
  });
});
