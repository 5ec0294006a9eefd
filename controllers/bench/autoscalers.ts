import { decide, emptyMemory } from '../rpc-worker-pool/decide.ts';
import { type PoolSpecInput, parsePoolSpec } from '../rpc-worker-pool/types.ts';
import { type Autoscaler, type Sight, WORLD } from './world.ts';

/** Pool settings of the benchmark: the defaults, and what the world is. */
export const BENCH_SPEC: PoolSpecInput = {
  targetRef: { name: 'workers' },
  chainId: 1,
  queue: { name: 'bench' },
  minReplicas: WORLD.minReplicas,
  maxReplicas: WORLD.maxReplicas,
  objective: { oldestJobAgeSeconds: WORLD.objectiveSeconds },
  worker: { concurrency: WORLD.concurrency, startupSeconds: WORLD.podStartSeconds },
};

/** The controller's own decide(), as it looks at the queue every half second. */
export function ours(overrides: Partial<PoolSpecInput> = {}): Autoscaler {
  const spec = parsePoolSpec({ ...BENCH_SPEC, ...overrides });
  let memory = emptyMemory();
  /** The health of a provider is noticed by a probe, not at once; what comes after its first surprise is looked at closely. */
  const delayedHealth = delayed(HEALTH_LAG_MS, true);
  return (sight) => {
    const { provider } = sight;
    const result = decide(spec, memory, {
      at: sight.at,
      replicas: { wanted: sight.wanted, ready: sight.ready },
      queue: {
        readable: true,
        reading: {
          waiting: sight.waiting,
          active: sight.active,
          delayed: sight.delayed,
          oldestAgeSeconds: sight.oldestSeconds,
          addedTotal: sight.addedTotal,
          paused: false,
          ...(sight.serviceSeconds === undefined ? {} : { serviceSeconds: sight.serviceSeconds }),
        },
      },
      providers: [
        {
          name: 'provider',
          healthy: delayedHealth(sight.at, provider.healthy),
          reason: 'Unreachable',
          ...(provider.limit === undefined ? {} : { limitPerSecond: provider.limit }),
          usedPerSecond: provider.used,
          throttledPercent: provider.throttledPercent,
        },
      ],
    });
    memory = result.memory;
    return result.decision.replicas;
  };
}

/**
 * How late the ChainProvider controller notices, with its defaults. Down: a probe every 15 s, and after the first
 * failure two more, 1 s and 3 s apart at most. Up: a probe every 3 s, and after the first success one more a second later.
 */
const HEALTH_LAG_MS = { down: 18_000, up: 4_000 } as const;

/** A value that is seen late. */
function delayed(
  lagMs: { readonly down: number; readonly up: number },
  initial: boolean,
): (at: number, value: boolean) => boolean {
  let shown = initial;
  let changedAt: number | undefined;
  return (at, value) => {
    if (value === shown) changedAt = undefined;
    else {
      changedAt ??= at;
      if (at - changedAt >= (value ? lagMs.up : lagMs.down)) {
        shown = value;
        changedAt = undefined;
      }
    }
    return shown;
  };
}

// The HorizontalPodAutoscaler as documented by Kubernetes (autoscaling/v2): sync period 15 s, tolerance 0.1, scale-down
// stabilisation 300 s, scale-up by at most 100 % or 4 pods per 15 s, ratio of the metric to its target.
const HPA = {
  syncMs: 15_000,
  tolerance: 0.1,
  downWindowMs: 300_000,
  upPercent: 1,
  upPods: 4,
  policyMs: 15_000,
} as const;

/** Everything of the HPA but the metric. `recommend` gives the unstabilised number. */
function hpaLoop(recommend: (sight: Sight) => number, min: number): Autoscaler {
  let nextAt = 0;
  const recommendations: { at: number; replicas: number }[] = [];
  const events: { at: number; change: number }[] = [];
  return (sight) => {
    if (sight.at < nextAt) return sight.wanted;
    nextAt = sight.at + HPA.syncMs;
    const current = sight.wanted;
    const raw = Math.min(WORLD.maxReplicas, Math.max(min, recommend(sight)));
    recommendations.push({ at: sight.at, replicas: raw });
    while (
      recommendations.length > 1 &&
      (recommendations[0] as { at: number }).at < sight.at - HPA.downWindowMs
    )
      recommendations.shift();
    let desired = raw;
    if (raw < current) desired = Math.min(current, Math.max(...recommendations.map((r) => r.replicas)));
    if (desired > current) {
      const added = events
        .filter((e) => e.at > sight.at - HPA.policyMs && e.change > 0)
        .reduce((sum, e) => sum + e.change, 0);
      const start = current - added;
      desired = Math.min(desired, Math.max(start + HPA.upPods, Math.ceil(start * (1 + HPA.upPercent))));
      desired = Math.max(desired, current);
    }
    if (desired !== current) events.push({ at: sight.at, change: desired - current });
    return desired;
  };
}

/** HPA on CPU utilisation with the usual target of 70 %. Pods that are not ready count as using nothing when growing. */
export function hpaOnCpu(): Autoscaler {
  const target = 0.7;
  return hpaLoop((sight) => {
    const { ready, wanted, cpu } = sight;
    if (ready === 0) return wanted;
    let ratio = cpu / target;
    if (Math.abs(ratio - 1) <= HPA.tolerance) return wanted;
    let counted = ready;
    if (ratio > 1 && wanted > ready) {
      counted = wanted;
      ratio = (cpu * ready) / wanted / target;
      if (Math.abs(ratio - 1) <= HPA.tolerance || ratio < 1) return wanted;
    }
    return Math.ceil(ratio * counted);
  }, WORLD.minReplicas);
}

/**
 * KEDA with a Redis-list trigger: it feeds the HPA the length of the list as an external metric of type AverageValue
 * (`listLength` per pod, default 5), polls every 30 s between 0 and 1, and leaves the rest to the HPA.
 * @param listLength jobs per pod; 5 is KEDA's default.
 */
export function keda(listLength = 5): Autoscaler {
  return hpaLoop((sight) => {
    // AverageValue: usage ratio = total / (target × current replicas); the tolerance applies to it.
    const ratio = sight.waiting / (listLength * Math.max(1, sight.wanted));
    if (Math.abs(ratio - 1) <= HPA.tolerance) return sight.wanted;
    return Math.ceil(sight.waiting / listLength);
  }, WORLD.minReplicas);
}
