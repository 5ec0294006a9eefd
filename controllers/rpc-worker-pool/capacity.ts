import type { ProviderCapacity } from './observation.ts';
import type { PoolSpec } from './types.ts';

const HOUR_SECONDS = 3600;
/** At the very end of an hour the rest of the budget must not be spent in one breath. */
const SHORTEST_REST_SECONDS = 60;

export interface ProviderVerdict {
  readonly known: number;
  readonly healthy: number;
  /** Calls per second that the healthy providers can still take; Infinity when one of them has no limit. */
  readonly leftPerSecond: number;
  /**
   * Present while a provider refuses calls for its limit and the limits of all healthy ones are known: the calls per
   * second that they do take together. More pods than that feeds only produce refusals.
   */
  readonly takenPerSecond?: number;
  /** One line per provider, for the trace. */
  readonly detail: string;
}

/** What the chain's providers can still take together, after the reserve for other clients. */
export function providerCapacity(
  providers: readonly ProviderCapacity[],
  settings: PoolSpec['providers'],
): ProviderVerdict {
  let left = 0;
  let taken = 0;
  let throttled = false;
  const detail = providers.map((provider) => {
    if (!provider.healthy) return `${provider.name} down (${provider.reason})`;
    if (provider.throttledPercent >= settings.throttledPercent) {
      throttled = true;
      taken +=
        provider.limitPerSecond === undefined
          ? Number.POSITIVE_INFINITY
          : Math.min(provider.limitPerSecond, provider.usedPerSecond * (1 - provider.throttledPercent / 100));
      return `${provider.name} throttles ${round(provider.throttledPercent)} % of calls: full`;
    }
    if (provider.limitPerSecond === undefined) {
      left = Number.POSITIVE_INFINITY;
      taken = Number.POSITIVE_INFINITY;
      return `${provider.name} without limit`;
    }
    const usable = provider.limitPerSecond * (1 - settings.reservePercent / 100);
    const rest = Math.max(0, usable - provider.usedPerSecond);
    left += rest;
    taken += provider.usedPerSecond + rest;
    return `${provider.name} ${round(rest)} of ${round(usable)}/s left`;
  });
  return {
    known: providers.length,
    healthy: providers.filter((provider) => provider.healthy).length,
    leftPerSecond: left,
    ...(throttled && Number.isFinite(taken) ? { takenPerSecond: taken } : {}),
    detail: detail.join('; '),
  };
}

/** How many pods, working without a pause, burn just what is left of this clock hour's budget. */
export function budgetCap(
  spec: PoolSpec,
  serviceSeconds: number,
  jobsThisHour: number,
  at: number,
): { pods: number; leftUnits: number; restSeconds: number } | undefined {
  if (!spec.budget || spec.worker.computeUnitsPerJob === 0) return undefined;
  const leftUnits = Math.max(
    0,
    spec.budget.computeUnitsPerHour - jobsThisHour * spec.worker.computeUnitsPerJob,
  );
  const restSeconds = Math.max(SHORTEST_REST_SECONDS, HOUR_SECONDS - (Math.floor(at / 1000) % HOUR_SECONDS));
  const jobsPerSecond = leftUnits / spec.worker.computeUnitsPerJob / restSeconds;
  return {
    pods: Math.floor((jobsPerSecond * serviceSeconds) / spec.worker.concurrency + 1e-9),
    leftUnits,
    restSeconds,
  };
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
