import type { Logger } from '../../lib/log.ts';
import { closeRedis, createRedis } from '../../lib/redis.ts';
import type { Clock } from '../../lib/time.ts';
import { createRedisLeaseSource, type LeaseSource } from './admission/limits/lease-source.ts';
import { createRedisCache } from './cache/redis-cache.ts';
import type { SharedCache } from './cache/shared-cache.ts';
import { type CostStore, createCostStore } from './cost/cost-store.ts';
import { shareHeadFloor } from './heads/shared-floor.ts';
import type { ReadPath } from './read-path.ts';
import { DEFAULT_SUBSCRIPTION_LIMITS } from './subscriptions/create-subscriptions.ts';
import type { FilterStore } from './subscriptions/filter-store.ts';
import { createRedisFilterStore } from './subscriptions/redis-filter-store.ts';

/** What replicas share through Redis. All but filters is optional at run time: Redis away slows, never breaks. */
export interface SharedState {
  readonly cache: SharedCache;
  /** `eth_newFilter` and its kind: made at one replica, polled at another. */
  readonly filters: FilterStore;
  /** Where rate limits live. */
  readonly leases: LeaseSource;
  /** Connects a read path: head floor and spending. */
  join(path: ReadPath): CostStore;
  close(): Promise<void>;
}

export function createSharedState(deps: {
  url: string;
  prefix: string;
  chainId: number;
  /** Tells this process from others. */
  processId: string;
  clock: Clock;
  log: Logger;
}): SharedState {
  const { url, prefix, chainId, clock, log } = deps;
  const redis = createRedis({ url, log, role: 'gateway-cache' });
  const subscriber = createRedis({ url, log, role: 'gateway-heads', whenDown: 'wait' });
  const stops: (() => Promise<void> | void)[] = [];
  return {
    cache: createRedisCache({ redis, prefix, chainId, clock, log }),
    filters: createRedisFilterStore({ redis, prefix, chainId, clock, ...DEFAULT_SUBSCRIPTION_LIMITS }),
    leases: createRedisLeaseSource({ redis, prefix, processId: deps.processId, clock }),
    join(path) {
      const floor = shareHeadFloor({ redis, subscriber, prefix, view: path.view, clock, log });
      const costs = createCostStore({ redis, prefix, chainId, book: path.cost, clock, log });
      stops.push(floor.stop, costs.stop);
      return costs;
    },
    async close() {
      for (const stop of stops) await stop();
      await Promise.all([closeRedis(redis), closeRedis(subscriber)]);
    },
  };
}
