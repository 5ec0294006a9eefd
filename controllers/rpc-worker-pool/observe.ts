import type { ChainProvider } from '../chain-provider/types.ts';
import { findCondition } from '../runtime/conditions.ts';
import type { Deployment } from '../runtime/resources.ts';
import type { Forecast, Observation, ProviderCapacity } from './observation.ts';
import type { QueueState } from './queue-watch.ts';
import type { RpcWorkerPool } from './types.ts';

/** A look at the queue that is older than this says nothing about now. */
const STALE_MS = 10_000;

/** Puts together what one pass sees, from local copies only: no call to anybody. */
export function observe(options: {
  pool: RpcWorkerPool;
  target: Deployment;
  queue: QueueState;
  providers: readonly ChainProvider[];
  now: number;
  forecast?: Forecast;
  competitor?: string;
}): Observation {
  const { pool, target, queue, providers, now, forecast, competitor } = options;
  const fresh = now - queue.at <= STALE_MS;
  return {
    at: queue.readable && fresh ? queue.at : now,
    replicas: { wanted: target.spec?.replicas ?? 1, ready: target.status?.readyReplicas ?? 0 },
    queue: !queue.readable
      ? { readable: false, error: queue.error }
      : fresh
        ? { readable: true, reading: queue.snapshot.reading }
        : {
            readable: false,
            error: `the last answer of Redis is ${Math.round((now - queue.at) / 1000)} s old`,
          },
    providers: providers
      .filter(
        (provider) =>
          provider.spec.chainId === pool.spec.chainId &&
          provider.metadata?.namespace === pool.metadata?.namespace,
      )
      .map(capacityOf)
      .sort((a, b) => a.name.localeCompare(b.name)),
    ...(forecast ? { forecast } : {}),
    ...(competitor ? { competitor } : {}),
  };
}

/** What a ChainProvider's status says about what it can still take. */
export function capacityOf(provider: ChainProvider): ProviderCapacity {
  const ready = findCondition(provider.status?.conditions, 'Ready');
  const limit = provider.spec.limits.callsPerSecond;
  return {
    name: provider.metadata?.name ?? '',
    healthy: ready?.status === 'True',
    reason: ready?.reason ?? 'NotProbedYet',
    ...(limit === undefined ? {} : { limitPerSecond: limit }),
    usedPerSecond: provider.status?.traffic?.callsPerSecond ?? 0,
    throttledPercent: provider.status?.traffic?.throttledPercent ?? 0,
  };
}
